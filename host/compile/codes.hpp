// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Layers that read codes of output sites, as operations of the program: they choose, move or add
// codes.
#pragma once

#include <vector>

#include "host/compile/draft.hpp"

namespace qloom::compile {

/// A max pool, flatten or concat of these tensors of codes. Codes that lie side by side get one
/// type, each channel keeps its scale. `makers`: the nodes of the inputs.
int add_chosen(Draft& draft, const Node& node, const std::vector<int>& inputs,
               const std::vector<const Node*>& makers);

/// The sums of an average pool's windows, all for one number of elements; -1, refused, where there
/// is no such number.
int add_mean(Draft& draft, const Node& node, int input);

/// The sums of an add; -1, refused, where there is no one scale.
int add_sums(Draft& draft, const Node& node, const std::vector<int>& inputs);

/// The codes that a requantizer made of `sums` (or of the `inputs` of an add) in the simulation.
/// Returns their tensor.
int add_requantized(Draft& draft, const Node& quantize, const std::string& name,
                    const std::vector<int>& inputs);

}  // namespace qloom::compile
