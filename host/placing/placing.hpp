// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// From the rules of a pipeline to the methods at each site of each layer.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "host/network/model.hpp"
#include "host/pipeline/pipeline.hpp"
#include "host/sites/placement.hpp"

namespace qloom::placing {

/// How far training has come.
struct Moment {
  std::uint64_t epochs = 0, steps = 0;
  bool operator==(const Moment&) const = default;
};

/// The placement once this much training is done. Later rules win over earlier ones,
/// site by site; a rule with "quantizer": null clears what earlier ones placed. `added`: rules
/// behind all of the pipeline's. InputError for rules that name what the model has not
/// (candidates.hpp).
[[nodiscard]] sites::Placement place(const pipeline::Pipeline& pipeline,
                                     const network::Model& model,
                                     const registry::Registry& registry, Moment done,
                                     std::span<const pipeline::Rule> added = {});

/// The step from which a rule acts; a number that no counter holds counts as the largest one.
[[nodiscard]] std::uint64_t start_of(const pipeline::Rule& rule, std::uint64_t steps_per_epoch);

/// The moments at which the placement may change, the start included, in their order.
[[nodiscard]] std::vector<Moment> changes(const pipeline::Pipeline& pipeline,
                                          std::uint64_t steps_per_epoch);

}  // namespace qloom::placing
