// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include <vector>

#include "host/compile/compile.hpp"
#include "host/program/execute.hpp"

namespace qloom::compile {

/// The tensors of a compiled program as the simulation has them, for the samples of the network's
/// last pass, which ran with fuse(false). Bytes of images, and logits that no rule makes codes of,
/// stay empty. RunError where a sum is not what the simulation's output was made of.
[[nodiscard]] std::vector<program::Values> simulated(const Compiled& compiled,
                                                     network::Network& network);

}  // namespace qloom::compile
