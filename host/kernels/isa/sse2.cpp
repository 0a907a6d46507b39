// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Compiled with the processor's baseline, SSE2; nothing but the table.
#include "host/kernels/simd/core_table.hpp"

namespace qloom::kernels {

constinit const Core kSse2Core = simd::make_core<xsimd::sse2>();

}  // namespace qloom::kernels
