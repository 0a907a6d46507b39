// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The weight gradient of codes that fit in bytes: per slice of the batch an integer matrix product
// of dy's codes with the patches (im2col) of x, some pixels at a time so that the patches stay in
// the cache. Sums of 32 bits are exact in any order.
#include <algorithm>
#include <cstdlib>

#include "host/contraction/contraction_state.hpp"
#include "host/contraction/patches.hpp"

namespace qloom::contraction {
namespace {

constexpr std::int64_t kPatchBytes = 1 << 20;  // of one thread

/// Bytes of a kernel's row below which gathering patches costs more than float32 products.
constexpr std::int64_t kShortestRow = 16;

/// Output pixels whose patches are multiplied together.
std::int64_t pixels_together(const ContractionShape& s) {
  return std::max<std::int64_t>(64, kPatchBytes / s.fan_in());
}

}  // namespace

void Contraction::State::byte_weight_slice(const ContractionShape& s, const Source& x,
                                           const Source& dy, std::size_t slot, std::int64_t first,
                                           std::int32_t* sums) {
  Area& area = scratch_->areas[slot];
  const std::int64_t x_size = s.x_size(), y_size = s.y_size();
  const auto* left =
      static_cast<const std::int8_t*>(elements(x, first * (x_size / s.batch), x_size, area.left));
  const auto* right =
      static_cast<const std::int8_t*>(elements(dy, first * (y_size / s.batch), y_size, area.right));
  const std::int64_t pixels = y_size / s.out_c, k = s.fan_in(), together = pixels_together(s);
  if (is_pointwise(s)) {
    multiply_bytes(s.out_c, k, pixels, right, left, k, x.shift, true, sums);
    return;
  }
  auto* patches = reinterpret_cast<std::int8_t*>(bytes_of(area.pass, together * k));
  const auto zero = static_cast<std::int8_t>(x.shift);
  Corner corner(s, 0);
  for (std::int64_t done = 0; done < pixels; done += together) {
    const std::int64_t rows = std::min(together, pixels - done);
    for (std::int64_t r = 0; r < rows; ++r, corner.next()) {
      gather_patch(s, left, 0, corner, 0, k, patches + r * k, zero);
    }
    multiply_bytes(s.out_c, k, rows, right + done * s.out_c, patches, k, x.shift, done == 0, sums);
  }
}

bool Contraction::State::byte_weight_gradient(const ContractionShape& s, const Operand& x,
                                              const Operand& dy, float* dw) {
  if (!has_exact_bytes() || s.groups != 1 || is_dense(s)) return false;
  if (s.kernel_w * s.in_c < kShortestRow && !is_pointwise(s)) return false;
  const auto shift = signed_shift(x, {});
  if (!shift || signed_shift(dy, {}) != 0) return false;
  const Slices slices = weight_slices(s);
  const std::int64_t pixels = std::min(slices.size, s.batch) * s.out_h() * s.out_w();
  const double most_x = x.largest_code() + std::abs(*shift);
  if (static_cast<double>(pixels) * most_x * dy.largest_code() >= 0x1p31) return false;

  const std::int64_t x_size = s.x_size() / s.batch, y_size = s.y_size() / s.batch;
  const std::int64_t patches = is_pointwise(s) ? 0 : pixels_together(s) * s.fan_in();
  const Source left{x, Source::As::kByte, {}, 0, *shift}, right{dy, Source::As::kByte};
  reserve_areas(left.buffer_size(slices.size * x_size), right.buffer_size(slices.size * y_size),
                (patches + 3) / 4);
  float* parts = grown(scratch_->partials, slices.count * s.w_size());
  for_each_slice(slices.count, [&](std::int64_t i, std::size_t slot) {
    ContractionShape slice = s;
    slice.batch = slices.samples(i);
    auto* sums = reinterpret_cast<std::int32_t*>(parts + i * s.w_size());
    byte_weight_slice(slice, left, right, slot, slices.first(i), sums);
  });
  merge_parts(IntegerSums{parts}, slices.count, static_cast<std::uint64_t>(s.w_size()),
              common_scale(x, dy), dw);
  return true;
}

}  // namespace qloom::contraction
