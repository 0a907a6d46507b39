// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Compiled with -mavx2 and -mfma; nothing but the table.
#include "host/kernels/simd/core_table.hpp"

namespace qloom::kernels {

constinit const Core kAvx2Core = simd::make_core<xsimd::fma3<xsimd::avx2>>();

}  // namespace qloom::kernels
