// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/results/reuse/standing.hpp"

#include <algorithm>
#include <cstdint>
#include <variant>
#include <vector>

#include <fmt/format.h>

#include "host/data/json_file.hpp"
#include "host/json/validate.hpp"
#include "host/results/checkpoint_text.hpp"
#include "host/results/reuse/inputs.hpp"
#include "host/tensor/error.hpp"

namespace qloom::results {
namespace {

using json::Json;
using State = Standing::State;

/// Why what a report or a checkpoint's text describes is not what this pipeline would give now;
/// empty: it is.
std::string difference(const Json& text, const pipeline::Pipeline& pipeline,
                       const registry::Registry& registry) {
  if (!text.is_object()) return "what it holds is damaged";
  if (pipeline::current_configuration(text.value("configuration", Json()), registry) !=
          pipeline::configuration(pipeline, registry) ||
      text.value("seed", Json()) != Json(pipeline.seed)) {
    return "it holds another pipeline, model, seed or --set";
  }
  return changes_since(text.value("inputs", Json()), pipeline, registry);
}

/// A library that was loaded anew during the run acted in part of it only.
bool has_reload(const Json& report) {
  const Json events = report.value("events", Json::array());
  return std::any_of(events.begin(), events.end(), [](const Json& event) {
    return event.is_object() && event.value("type", "") == "reload";
  });
}

/// InputError unless the text has the form that tables of several runs read.
void require_report(const Json& text, const std::string& file) {
  static_cast<void>(json::validate(registry::read_schema("report"), text, file + ": "));
}

}  // namespace

Standing standing_of(const std::filesystem::path& folder, const pipeline::Pipeline& pipeline,
                     const registry::Registry& registry) {
  const std::filesystem::path report = folder / "report.json";
  const std::filesystem::path checkpoint = folder / "checkpoint.npz";
  std::error_code ignored;  // of a name that leads nowhere
  if (!std::filesystem::exists(checkpoint, ignored)) return {};
  try {
    if (std::filesystem::exists(report, ignored)) {
      const Json text = data::read_json(report);
      std::string why = difference(text, pipeline, registry);
      if (why.empty()) require_report(text, report.string());
      if (why.empty() && has_reload(text)) why = "its plugins were loaded anew while it ran";
      return why.empty() ? Standing{State::kFinished, ""} : Standing{State::kStale, why};
    }
    std::string why = difference(read_checkpoint_meta(checkpoint), pipeline, registry);
    return why.empty() ? Standing{State::kBegun, ""} : Standing{State::kStale, std::move(why)};
  } catch (const InputError& error) {  // unreadable: as good as nothing
    return {State::kStale, error.what()};
  } catch (const Json::exception&) {
    return {State::kStale, "what it holds is damaged"};
  }
}

}  // namespace qloom::results
