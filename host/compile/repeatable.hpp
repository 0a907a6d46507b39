// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include <vector>

#include "host/compile/compile.hpp"

namespace qloom::compile {

/// Evaluates the images at two steps, which only random words depend on. Where a layer's values
/// differ, evaluation is no fixed function: the first such layer is refused. The network's last
/// pass is `pass` afterwards, with fuse(false).
[[nodiscard]] std::vector<Refusal> random_places(network::Network& network, const Tensor& images,
                                                 const network::Pass& pass);

}  // namespace qloom::compile
