// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/sites/coding.hpp"

#include <algorithm>

#include "host/kernels/stored_codes.hpp"

namespace qloom::sites {

bool Coding::take(const qloom_encoding& encoding, std::uint64_t outputs) {
  const qloom_grid& grid = encoding.grid;
  const std::uint64_t groups = encoding.groups;
  if (encoding.kind != QLOOM_ENCODING_AFFINE || grid.offset != nullptr || groups == 0) return false;
  const auto one_for_all = [groups](const auto* values) {
    return std::all_of(values, values + groups, [&](auto v) { return v == values[0]; });
  };
  const bool has_one = one_for_all(grid.scale);
  if (!has_one && groups != outputs) return false;
  std::int64_t lo = 0, hi = 0;
  for (std::uint64_t g = 0; g < groups; ++g) {
    const std::int64_t zero = grid.zero_point[g];
    lo = std::min(lo, grid.code_min[g] - zero);
    hi = std::max(hi, grid.code_max[g] - zero);
  }
  if (static_cast<double>(std::max(-lo, hi)) > contraction::kLargestCode) return false;
  scale_.assign(grid.scale, grid.scale + (has_one ? 1 : groups));
  zero_.assign(grid.zero_point, grid.zero_point + (one_for_all(grid.zero_point) ? 1 : groups));
  form_ = {static_cast<std::int32_t>(lo), static_cast<std::uint32_t>(hi - lo)};
  return true;
}

bool Coding::store(const qloom_tensor& geometry, std::uint64_t first, std::uint64_t n,
                   const std::int32_t* codes, CodedTensor& out) const noexcept {
  if (zero_.size() == 1) return kernels::store_codes(codes, zero_[0], form_, out.at(first), n);
  bool fits = true;
  for (std::uint64_t i = first; i < first + n;) {  // what shares a zero point lies together
    const std::uint64_t count = std::min(first + n - i, geometry.inner - i % geometry.inner);
    const std::int32_t zero = zero_[i / geometry.inner % geometry.groups];
    fits &= kernels::store_codes(codes + (i - first), zero, form_, out.at(i), count);
    i += count;
  }
  return fits;
}

contraction::Operand Coding::operand(const float* values, const CodedTensor& codes) const {
  if (codes.empty()) return {.values = values};
  const double lo = form_.lo;
  return {values, scale_.data(), scale_.size(), lo, lo + form_.span, codes.view()};
}

}  // namespace qloom::sites
