// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/sites/coding.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "host/kernels/stored_codes.hpp"
#include "host/tensor/parallel.hpp"

namespace qloom::sites {
namespace {

/// The grid of a group as whole multiples of half its scale: 2 (code - zero) + shift. Nothing where
/// the offset is no such multiple, or where one of the values is not that product rounded once.
std::optional<std::int32_t> half_steps(const qloom_grid& grid, std::uint64_t group) {
  constexpr std::int64_t kMostCodes = 256;  // that are looked at
  const double scale = grid.scale[group], offset = grid.offset[group];
  const double shift = 2.0 * offset / scale;
  const bool is_whole = std::abs(shift) <= contraction::kLargestCode &&
                        shift == std::nearbyint(shift) && shift * (scale / 2) == offset;
  const std::int64_t low = grid.code_min[group], high = grid.code_max[group];
  const double largest = static_cast<double>(
      std::max({std::abs(low), std::abs(high), std::abs(std::int64_t{grid.zero_point[group]})}));
  if (!is_whole || high - low >= kMostCodes || largest > contraction::kLargestCode) {
    return std::nullopt;
  }
  const float half = grid.scale[group] / 2;
  for (std::int64_t code = low; code <= high; ++code) {
    const auto steps = static_cast<float>(code - grid.zero_point[group]);
    const float value = grid.offset[group] + steps * grid.scale[group];
    if (value != (2 * steps + static_cast<float>(shift)) * half) return std::nullopt;
  }
  return static_cast<std::int32_t>(shift);
}

}  // namespace

bool Coding::take(const qloom_encoding& encoding, std::uint64_t outputs) {
  const qloom_grid& grid = encoding.grid;
  const std::uint64_t groups = encoding.groups;
  if (encoding.kind != QLOOM_ENCODING_AFFINE || groups == 0) return false;
  const auto one_for_all = [groups](const auto* values) {
    return std::all_of(values, values + groups, [&](auto v) { return v == values[0]; });
  };
  const bool has_one = one_for_all(grid.scale);
  if (!has_one && groups != outputs) return false;
  zero_.assign(groups, 0);
  step_ = 1;
  for (std::uint64_t g = 0; grid.offset != nullptr && g < groups; ++g) {
    const auto shift = half_steps(grid, g);
    if (!shift) return false;
    zero_[g] = -*shift;
    if (*shift % 2 != 0) step_ = 2;
  }
  std::int64_t lo = 0, hi = 0;
  for (std::uint64_t g = 0; g < groups; ++g) {
    const std::int64_t zero = step_ * std::int64_t{grid.zero_point[g]} + zero_[g] * step_ / 2;
    lo = std::min(lo, step_ * grid.code_min[g] - zero);
    hi = std::max(hi, step_ * grid.code_max[g] - zero);
    zero_[g] = static_cast<std::int32_t>(zero);
  }
  if (static_cast<double>(std::max(-lo, hi)) > contraction::kLargestCode) return false;
  scale_.assign(grid.scale, grid.scale + (has_one ? 1 : groups));
  for (float& scale : scale_) scale /= static_cast<float>(step_);
  if (one_for_all(zero_.data())) zero_.resize(1);
  form_ = {static_cast<std::int32_t>(lo), static_cast<std::uint32_t>(hi - lo)};
  return true;
}

bool Coding::store(const qloom_tensor& geometry, std::uint64_t first, std::uint64_t n,
                   const std::int32_t* codes, CodedTensor& out) const noexcept {
  if (step_ == 1) return store_whole(geometry, first, n, codes, out);
  std::array<std::int32_t, kTileElements> doubled;
  bool fits = true;
  for (std::uint64_t i = 0; i < n; i += kTileElements) {
    const std::uint64_t count = std::min(kTileElements, n - i);
    for (std::uint64_t k = 0; k < count; ++k) {
      doubled[k] = static_cast<std::int32_t>(
          std::clamp<std::int64_t>(step_ * codes[i + k], INT32_MIN, INT32_MAX));
    }
    fits &= store_whole(geometry, first + i, count, doubled.data(), out);
  }
  return fits;
}

bool Coding::store_whole(const qloom_tensor& geometry, std::uint64_t first, std::uint64_t n,
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
