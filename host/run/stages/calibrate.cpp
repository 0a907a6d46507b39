// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>

#include <fmt/format.h>

#include "host/run/stages/stage.hpp"
#include "host/run/stop.hpp"

namespace qloom::run::stages {
namespace {

/// Shows training batches to the range estimators; the network runs in float.
Json calibrate(Work& work, const pipeline::Stage& stage) {
  network::Plan& plan = work.run.state.network->plan;
  const std::vector<sites::SiteQuantizer*> sites = plan.calibrated_sites();
  std::uint32_t passes = 0;
  for (const auto* site : sites) passes = std::max(passes, site->passes());
  Walk samples = work.run.setup.batches.training(0);
  const std::uint64_t batches =
      std::min(static_cast<std::uint64_t>(stage.batches), samples.count());
  work.progress.begin(stage.type->name, batches * passes);
  network::Pass pass;
  pass.rules = network::Pass::Rules::kObserve;
  pass.use_shadows = true;
  for (std::uint32_t p = 0; p < passes; ++p) {
    for (auto* site : sites) {
      if (p < site->passes()) site->begin_pass(p);
    }
    for (std::uint64_t i = 0; i < batches; ++i) {
      samples.load(i);
      plan.forward(samples.images(), pass);
      stop_if_asked(kBeginsAnew);
      work.progress.step(p * batches + i + 1, "");
    }
    for (auto* site : sites) {
      if (p < site->passes()) site->end_pass(p);
    }
  }
  work.progress.end(fmt::format("{} sites, {} batches, {} passes", sites.size(), batches, passes));
  return {{"batches", batches}};
}

}  // namespace

extern const Action kCalibrate{"calibrate", &calibrate};

}  // namespace qloom::run::stages
