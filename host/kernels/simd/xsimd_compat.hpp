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
  const typename From::register_type lanes = from;
  return To(__builtin_bit_cast(typename To::register_type, lanes));
}

}  // namespace qloom::kernels::simd
