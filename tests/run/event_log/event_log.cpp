// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Writes every event into the report: event + stage / 10 + round / 100. Asks for one more round of
// the stages that "twice" lists, and adds the rule that it is given.
#include <string>
#include <vector>

#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

class EventLog {
 public:
  static constexpr std::uint32_t kCaps = 1U << QLOOM_EVENT_PREPARE | 1U << QLOOM_EVENT_AFTER_EPOCH |
                                         1U << QLOOM_EVENT_STAGE | 1U << QLOOM_EVENT_FINALIZE |
                                         1U << QLOOM_EVENT_START | 1U << QLOOM_EVENT_AFTER_STAGE |
                                         1U << QLOOM_EVENT_END;

  explicit EventLog(const Params& params)
      : rule_(params.text("/rule")),
        rule_at_(params.integer("/rule_at")),
        asks_always_(params.flag("/asks_always")) {
    for (std::uint64_t i = 0; i < params.size("/twice"); ++i) {
      twice_.push_back(params.integer(concat("/twice/", i).c_str()));
    }
  }
  void on(const Run& run, const qloom_event& event) const {
    run.report("events", event.event + static_cast<double>(event.stage) / 10 +
                             static_cast<double>(event.round) / 100);
    if (!rule_.empty() && event.event == rule_at_ && event.stage == 0 && event.round == 0) {
      run.add_rule(rule_);
    }
    if (event.event == QLOOM_EVENT_END) {
      for (const qloom_run_site& site : run.sites()) {
        const std::string name = concat(site.site, "/", site.layer, "/", site.quantizer);
        run.report((name + "/elements").c_str(), static_cast<double>(site.elements));
        run.report((name + "/groups").c_str(), static_cast<double>(site.groups));
        if (site.ranges != nullptr) run.report((name + "/hi").c_str(), site.ranges[0].hi);
        if (site.encoding != nullptr) run.report((name + "/bits").c_str(), site.encoding->bits);
      }
      run.report_table("log", R"({"title": "Log", "columns": ["a"], "rows": [[1], [null]]})");
    }
    if (asks_always_) run.again();
    if (event.event != QLOOM_EVENT_AFTER_STAGE || event.round > 0) return;
    for (const std::int64_t stage : twice_) {
      if (static_cast<std::uint64_t>(stage) == event.stage) run.again();
    }
  }

 private:
  std::string rule_;
  std::int64_t rule_at_;
  bool asks_always_;
  std::vector<std::int64_t> twice_;
};

}  // namespace

QLOOM_METHODS(Procedure<EventLog>)
