// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A quantize node whose codes are integer steps of the exact sums behind which it stands: what a
// rule's "requantizer" says.
#pragma once

#include <memory>
#include <vector>

#include "host/methods/requantizer.hpp"
#include "host/network/pass.hpp"
#include "host/network/plan/requantized.hpp"

namespace qloom::network {

struct Execution;
struct Node;

/// The group of layers in front of a quantize node with a requantizer. InputError with the rule's
/// place where there is none that has integer sums: `nodes` are all that stand before it.
[[nodiscard]] std::unique_ptr<Requantized> requantized_group(
    const registry::Registry& registry, const Node& quantize,
    const std::vector<std::unique_ptr<Node>>& nodes);

/// Does the requantizer act in this pass? Not where a norm follows the batch, or dropout acts.
[[nodiscard]] bool is_affine(const Requantized& group, const Pass& pass);

/// The forward of such a node.
void forward_requantized(Execution& e, Node& quantize);

}  // namespace qloom::network
