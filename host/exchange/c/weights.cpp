// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/exchange/c/weights.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

namespace qloom::exchange::c {

Packing packing_of(const std::vector<std::int32_t>& weights) {
  const std::vector<std::int64_t> values(weights.begin(), weights.end());
  const Interval range = range_of(values);
  std::int64_t step = 0;
  for (const std::int64_t value : values) step = std::gcd(step, value - range.lo);
  step = std::max<std::int64_t>(step, 1);  // all are equal
  const std::int64_t count = (range.hi - range.lo) / step + 1;
  // A field times the step is an int32_t as well.
  const bool is_small = range.hi - range.lo <= std::numeric_limits<std::int32_t>::max();
  for (const int bits : {1, 2, 4}) {
    if (is_small && count <= std::int64_t{1} << bits) return {bits, range.lo, step};
  }
  return {stored(range).bits, 0, 1};
}

std::vector<std::int64_t> packed(const std::vector<std::int32_t>& weights, std::int64_t row,
                                 Packing packing) {
  const std::int64_t in_byte = 8 / packing.bits, bytes = (row + in_byte - 1) / in_byte;
  const std::int64_t rows = static_cast<std::int64_t>(weights.size()) / row;
  std::vector<std::int64_t> all(static_cast<std::size_t>(rows * bytes));
  for (std::int64_t i = 0; i < rows * row; ++i) {
    const std::int64_t k = i % row;
    const std::int64_t field = (weights[static_cast<std::size_t>(i)] - packing.low) / packing.step;
    all[static_cast<std::size_t>(i / row * bytes + k / in_byte)] |= field
                                                                    << (k % in_byte * packing.bits);
  }
  return all;
}

}  // namespace qloom::exchange::c
