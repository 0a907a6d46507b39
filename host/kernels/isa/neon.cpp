// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Compiled with the baseline of 64-bit ARM, which has NEON; nothing but the table.
#include "host/kernels/simd/core_table.hpp"

namespace qloom::kernels {

constinit const Core kNeonCore = simd::make_core<xsimd::neon64>();

}  // namespace qloom::kernels
