// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Which activations evaluation may quantize: those whose ranges, and whose quantizers' first
// values, come from training or calibration. Test data never give any.
#pragma once

#include <map>
#include <string>

#include "host/network/network.hpp"
#include "host/pipeline/pipeline.hpp"

namespace qloom::placing {

/// By reader, the methods that have seen training or calibration data there.
using KnownSites = std::map<sites::SiteKey, sites::QuantizerSpec>;

/// Those of a network as it stands.
[[nodiscard]] KnownSites known_sites(const network::Network& network);

/// Goes through the pipeline's stages, which begin with what is known; returns what is known at
/// their end. InputError, before any work, for an evaluate stage that meets an activation of which
/// nothing is known.
KnownSites follow_stages(const pipeline::Pipeline& pipeline, const network::Model& model,
                         const registry::Registry& registry, std::uint64_t steps_per_epoch,
                         KnownSites known);

}  // namespace qloom::placing
