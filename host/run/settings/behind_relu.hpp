// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include "host/network/network.hpp"
#include "host/registry/registry.hpp"
#include "host/results/warnings.hpp"

namespace qloom::run {

/// Warns about a quantizer behind a ReLU that gives one value for all that a ReLU lets through, as
/// a sign does: its layer would see nothing of its input. Asked of the methods, on instances of
/// their own. What a method refuses here is no matter of this check.
void check_behind_relu(const network::Network& network, const registry::Registry& registry,
                       results::Warnings& warnings);

}  // namespace qloom::run
