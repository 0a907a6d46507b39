// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Which layers work on one sum: a contraction, an add or an average pool, and the norms and
// element-wise functions behind it that nobody else reads. Hardware has one requantization for
// them.
#pragma once

#include <vector>

#include "host/network/model.hpp"

namespace qloom::network {

/// The last layer of the group of each layer; the layer itself where it belongs to none.
[[nodiscard]] std::vector<int> last_of_groups(const Model& model);

}  // namespace qloom::network
