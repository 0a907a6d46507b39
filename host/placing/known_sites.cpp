// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/placing/known_sites.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "host/placing/placing.hpp"
#include "host/tensor/error.hpp"

namespace qloom::placing {
namespace {

bool wants_first_tensor(const registry::Registry& registry, const sites::MethodSpec& quantizer,
                        const sites::SiteKey& key) {
  const registry::Instance probe = sites::probe_of(registry, quantizer, &key);
  return (probe.ops<qloom_quantizer>().caps & QLOOM_QUANTIZER_WANTS_FIRST_TENSOR) != 0;
}

/// What evaluation lacks at a site, in words; "" when all is known.
std::string missing(const registry::Registry& registry, const sites::SiteKey& key,
                    const sites::QuantizerSpec& now, const sites::QuantizerSpec* before) {
  const bool keeps_range =
      before != nullptr && sites::keeps_state(now.range, before->range) &&
      sites::granularity_of(now.quantizer) == sites::granularity_of(before->quantizer);
  if (now.range.method != nullptr && !keeps_range) return "range is";
  if (before != nullptr && sites::keeps_state(now.quantizer, before->quantizer)) return "";
  return wants_first_tensor(registry, now.quantizer, key) ? "first tensor is" : "";
}

}  // namespace

KnownSites known_sites(const network::Network& network) {
  KnownSites known;
  for (const auto& [key, site] : network.sites.all()) {
    if (sites::tracks_range(*key.site, site->spec()) && site->is_known()) known[key] = site->spec();
  }
  return known;
}

KnownSites follow_stages(const pipeline::Pipeline& pipeline, const network::Model& model,
                         const registry::Registry& registry, std::uint64_t steps_per_epoch,
                         KnownSites known) {
  Moment done;
  const auto learn = [&](Moment moment) {
    for (const auto& [key, spec] : place(pipeline, model, registry, moment).quantizers) {
      if (sites::tracks_range(*key.site, spec)) known[key] = spec;
    }
  };
  const auto require = [&](const pipeline::Stage& stage) {
    for (const auto& [key, spec] : place(pipeline, model, registry, done).quantizers) {
      if (!sites::tracks_range(*key.site, spec)) continue;
      const auto before = known.find(key);
      const std::string what =
          missing(registry, key, spec, before == known.end() ? nullptr : &before->second);
      if (what.empty()) continue;
      throw InputError(
          fmt::format("{}: no {} known for \"{}\" ({}); expected a calibrate stage "
                      "or training with rules before it",
                      stage.where, what, key.text(), spec.quantizer.where));
    }
  };
  for (const pipeline::Stage& stage : pipeline.stages) {
    Moment last = done;  // of the stage: rules that begin after its last step have seen nothing
    if (stage.type->trains) {
      done.epochs += static_cast<std::uint64_t>(stage.epochs);
      done.steps = done.epochs * steps_per_epoch;
      if (done.steps > 0) last = {(done.steps - 1) / steps_per_epoch, done.steps - 1};
    }
    if (!stage.apply_rules) continue;
    if (stage.type->activations == pipeline::StageType::Activations::kLearns) {
      learn(last);
    } else {
      require(stage);
    }
  }
  return known;
}

}  // namespace qloom::placing
