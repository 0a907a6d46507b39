// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Order statistics per group: the definition.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include <qloom/abi.h>

namespace qloom::kernels::ref {

/// out[g * count + j] is number rank[g * count + j], from 0, of the group's finite values in
/// ascending order, of their magnitudes if abs. A zero is +0; past the last value it is NaN.
inline void order_statistics(const qloom_tensor* t, std::uint32_t abs, const std::uint64_t* rank,
                             std::uint64_t count, double* out) noexcept {
  std::vector<double> values;
  for (std::uint64_t g = 0; g < t->groups; ++g) {
    values.clear();
    for (std::uint64_t i = 0; i < t->n; ++i) {
      if (i / t->inner % t->groups != g || !std::isfinite(t->data[i])) continue;
      const double x = t->data[i] + 0.0;  // -0 + 0 = +0
      values.push_back(abs != 0 ? std::fabs(x) : x);
    }
    std::sort(values.begin(), values.end());
    for (std::uint64_t j = g * count; j < (g + 1) * count; ++j) {
      out[j] = rank[j] < values.size() ? values[rank[j]] : std::numeric_limits<double>::quiet_NaN();
    }
  }
}

}  // namespace qloom::kernels::ref
