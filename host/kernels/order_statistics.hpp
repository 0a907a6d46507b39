// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// order_statistics on the inner loops of one core.
#pragma once

#include <cstdint>

#include "host/kernels/core.hpp"

namespace qloom::kernels {

/// ref::order_statistics by sampling: a sample of a group tells about where its order statistics
/// are, and one pass over the tensor finds the few values in windows around them and counts those
/// below. Where the sample was wrong, or a group is small, all its values are looked at. Windows
/// decide about time only.
void order_statistics(const Core& core, const qloom_tensor& t, bool abs, const std::uint64_t* rank,
                      std::uint64_t count, double* out);

}  // namespace qloom::kernels
