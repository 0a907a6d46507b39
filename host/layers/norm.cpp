// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/layers/layer.hpp"

namespace qloom::layers {

extern const LayerType kNorm;
constinit const LayerType kNorm{.name = "norm", .is_norm = true};

}  // namespace qloom::layers
