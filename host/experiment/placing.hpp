// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// From the rules of a pipeline to the methods at each site of each layer.
#pragma once

#include <cstdint>
#include <set>

#include "host/network/model.hpp"
#include "host/network/placement.hpp"
#include "host/pipeline/pipeline.hpp"

namespace qloom::experiment {

/// The placement once `epochs_done` training epochs are over. Later rules win over earlier ones,
/// site by site; a rule with "quantizer": null clears what earlier ones placed. InputError when a
/// rule's layers match nothing, or a rule names sites that none of its layers has.
[[nodiscard]] network::Placement place(const pipeline::Pipeline& pipeline,
                                       const network::Model& model,
                                       const registry::Registry& registry,
                                       std::uint64_t epochs_done);

/// Numbers of done epochs at which the placement changes, 0 included.
[[nodiscard]] std::set<std::uint64_t> changes(const pipeline::Pipeline& pipeline);

}  // namespace qloom::experiment
