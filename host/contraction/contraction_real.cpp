// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Contractions of real operands: float32 sums in an order that the shape alone fixes.
#include <algorithm>

#include "host/contraction/contraction_state.hpp"

namespace qloom::contraction {

void Contraction::State::set_weights(const std::array<SlicePrimitive*, 2>& primitives,
                                     std::size_t index, const void* plain) {
  std::vector<Tensor>& packed = scratch_->packed;
  if (packed.size() < 2 * index + 2) packed.resize(2 * index + 2);
  for (std::size_t i = 0; i < (primitives[0] == primitives[1] ? 1 : 2); ++i) {
    SlicePrimitive& primitive = *primitives[i];
    const auto size = static_cast<std::int64_t>(primitive.packed_size());
    primitive.set_weights(index, plain, bytes_of(packed[2 * index + i], size));
  }
}

void Contraction::State::run_real(const Sliced& c) {
  const Slices slices = output_slices(c.shape);
  const auto primitives = slice_primitives({c.role, c.shape, c.bias.values != nullptr}, slices);
  const Source source{c.left}, weights{c.weights};
  if (scratch_->digits.empty()) scratch_->digits.resize(1);
  set_weights(primitives, 0, all_elements(weights, c.shape.w_size(), scratch_->digits[0]));
  reserve_areas(source.buffer_size(slices.size * c.left_size), 0, 0);
  for_each_slice(slices.count, [&](std::int64_t i, std::size_t slot) {
    const void* left = elements(source, slices.first(i) * c.left_size,
                                slices.samples(i) * c.left_size, scratch_->areas[slot].left);
    primitives[i + 1 == slices.count ? 1 : 0]->run(
        slot, {.left = left, .bias = c.bias.values, .out = c.out + slices.first(i) * c.out_size});
  });
}

/// dw in slices of output channels; each adds over the whole batch.
void Contraction::State::dense_weight_gradient(const ContractionShape& s, const Source& x,
                                               const Source& dy, float* dw) {
  const auto* left = static_cast<const float*>(all_elements(x, s.x_size(), scratch_->dense_x));
  const auto* right = static_cast<const float*>(all_elements(dy, s.y_size(), scratch_->dense_dy));
  // Eight slices, of at least the 16 channels that fill a register.
  const Slices rows = cut(s.out_c, std::max<std::int64_t>(16, (s.out_c + 7) / 8));
  const auto of = [&](std::int64_t i) {
    ContractionShape part = s;
    part.out_c = rows.samples(i);
    return &primitive({.role = Role::kDenseWeightGradient, .shape = part, .row_pitch = s.out_c});
  };
  SlicePrimitive *full = of(0), *last = of(rows.count - 1);
  for_each_slice(rows.count, [&](std::int64_t i, std::size_t slot) {
    SlicePrimitive& chosen = i + 1 == rows.count ? *last : *full;
    chosen.run(slot,
               {.left = left, .right = right + rows.first(i), .out = dw + rows.first(i) * s.in_c});
  });
}

std::int64_t Contraction::State::weight_parts(const ContractionShape& s, const Source& x,
                                              const Source& dy, float* single) {
  if (is_dense(s)) {
    dense_weight_gradient(s, x, dy, single);
    return 1;
  }
  const Slices slices = weight_slices(s);
  const auto primitives = slice_primitives({Role::kWeightGradient, s}, slices);
  const std::int64_t x_size = s.x_size() / s.batch, y_size = s.y_size() / s.batch;
  float* parts = slices.count == 1 ? single : grown(scratch_->partials, slices.count * s.w_size());
  reserve_areas(x.buffer_size(slices.size * x_size), dy.buffer_size(slices.size * y_size), 0);
  for_each_slice(slices.count, [&](std::int64_t i, std::size_t slot) {
    const std::int64_t first = slices.first(i), n = slices.samples(i);
    Area& area = scratch_->areas[slot];
    const void* left = elements(x, first * x_size, n * x_size, area.left);
    const void* right = elements(dy, first * y_size, n * y_size, area.right);
    primitives[i + 1 == slices.count ? 1 : 0]->run(
        slot, {.left = left, .right = right, .out = parts + i * s.w_size()});
  });
  return slices.count;
}

void Contraction::State::real_weight_gradient(const ContractionShape& s, const Operand& x,
                                              const Operand& dy, float* dw) {
  const std::int64_t parts = weight_parts(s, {x}, {dy}, dw);
  if (parts == 1) return;
  const auto size = static_cast<std::uint64_t>(s.w_size());
  for_each_tile(size, [&](std::uint64_t first, std::uint64_t n) {
    // Neighbours first, then neighbouring pairs, and so on: a tree that the batch size fixes.
    for (std::int64_t step = 1; step < parts; step *= 2) {
      for (std::int64_t p = 0; p + step < parts; p += 2 * step) {
        float* sum = scratch_->partials.data() + static_cast<std::uint64_t>(p) * size + first;
        const float* other = sum + static_cast<std::uint64_t>(step) * size;
        for (std::uint64_t i = 0; i < n; ++i) sum[i] += other[i];
      }
    }
    std::copy_n(scratch_->partials.data() + first, n, dw + first);
  });
}

}  // namespace qloom::contraction
