// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// xsimd 8 to 13: what was renamed between them has one name here.
#pragma once

#include <xsimd/xsimd.hpp>

namespace qloom::kernels::simd {

/// The bits of a batch as those of another type of batch of the same size.
template <class To, class From>
inline To bits_as(const From& from) noexcept {
#if XSIMD_VERSION_MAJOR >= 10
  return xsimd::bitwise_cast<typename To::value_type>(from);
#else
  return xsimd::bitwise_cast<To>(from);
#endif
}

}  // namespace qloom::kernels::simd
