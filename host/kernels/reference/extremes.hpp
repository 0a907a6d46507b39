// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Smallest and largest finite value per group: the definition. A zero end is +0, so that the
// result depends on no order.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include <qloom/abi.h>

namespace qloom::kernels::ref {

inline void extremes(const qloom_tensor* t, double* lo, double* hi,
                     std::uint64_t* nonfinite) noexcept {
  for (std::uint64_t g = 0; g < t->groups; ++g) {
    lo[g] = std::numeric_limits<double>::infinity();
    hi[g] = -lo[g];
    nonfinite[g] = 0;
  }
  for (std::uint64_t i = 0; i < t->n; ++i) {
    const std::uint64_t g = i / t->inner % t->groups;
    const auto x = static_cast<double>(t->data[i]);
    if (!std::isfinite(x)) {
      ++nonfinite[g];
      continue;
    }
    if (x < lo[g]) lo[g] = x + 0.0;  // -0 + 0 = +0
    if (x > hi[g]) hi[g] = x + 0.0;
  }
}

}  // namespace qloom::kernels::ref
