// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <string_view>

#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// Before each evaluation the norms' running statistics are computed anew with the network as it is
/// quantized then: a cumulative average over training batches, forward only. Twice gives the same.
class BnRetune {
 public:
  static constexpr std::uint32_t kCaps = 1U << QLOOM_EVENT_STAGE;

  explicit BnRetune(const Params& params)
      : batches_(static_cast<std::uint64_t>(params.integer("/retune_batches"))) {}
  void on(Run& run, const qloom_event& event) const {
    const std::string_view type = event.stage_type == nullptr ? "" : event.stage_type;
    if (type == "evaluate" && !run.norms().empty()) run.retune_norms(batches_);
  }

 private:
  std::uint64_t batches_;
};

}  // namespace

QLOOM_METHODS(qloom::sdk::Procedure<BnRetune>)
