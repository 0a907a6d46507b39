// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Compiled with -mavx512f, -mavx512cd, -mavx512dq, -mavx512bw and -mavx512vl; nothing but the
// table.
#include "host/kernels/simd/core_table.hpp"

namespace qloom::kernels {

constinit const Core kAvx512Core = simd::make_core<xsimd::avx512bw>();

}  // namespace qloom::kernels
