// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Contractions of integer-coded operands: exact integer sums out of float32 passes.
#include <algorithm>
#include <array>
#include <vector>

#include "host/kernels/vectorized.hpp"
#include "host/network/contraction_state.hpp"

namespace qloom::network {
namespace {

/// Codes whose scale is a power of two need no packing: the values' sums are exact as they are.
ExactPlan plan_of(const Passes& passes, const Operand& left, const Operand& right) {
  ExactPlan plan{passes};
  const auto take = [&](const Operand& operand, bool& is_plain) {
    if (operand.scale_count != 1) return;  // per channel: the caller multiplies by the scales
    is_plain = passes.is_single() && is_plain_unit(*operand.scale);
    if (!is_plain) plan.factor *= double{*operand.scale};
  };
  take(left, plan.is_plain_left);
  take(right, plan.is_plain_right);
  return plan;
}

/// out = float(sum of the parts, in double, * factor)
void merge_parts(const float* parts, std::int64_t count, std::uint64_t size, double factor,
                 float* out) {
  for_each_tile(size, [&](std::uint64_t first, std::uint64_t n) {
    constexpr std::uint64_t kBlock = 256;
    for (std::uint64_t b = first; b < first + n; b += kBlock) {
      const std::uint64_t m = std::min(kBlock, first + n - b);
      kernels::vectorized([=] {
        std::array<double, kBlock> sum{};
        for (std::int64_t p = 0; p < count; ++p) {
          const float* part = parts + static_cast<std::uint64_t>(p) * size + b;
          for (std::uint64_t i = 0; i < m; ++i) sum[i] += part[i];
        }
        for (std::uint64_t i = 0; i < m; ++i) out[b + i] = static_cast<float>(sum[i] * factor);
      });
    }
  });
}

/// out[r][c] = float(sum[r][c] * factor[c]) + bias[c]; sum may be out. A sum of -0 becomes 0, as
/// an integer's would.
template <class Sum>
void scale_sums(const Sum* sum, const std::vector<double>& factor, const float* bias,
                std::int64_t rows, float* out) {
  const std::size_t channels = factor.size();
  kernels::vectorized([=, scale = factor.data()] {
    const Sum* from = sum;
    float* to = out;
    for (std::int64_t r = 0; r < rows; ++r, from += channels, to += channels) {
#pragma GCC ivdep
      for (std::size_t c = 0; c < channels; ++c) {
        to[c] = static_cast<float>(static_cast<double>(from[c]) * scale[c] + 0.0);
      }
      if (bias == nullptr) continue;
#pragma GCC ivdep
      for (std::size_t c = 0; c < channels; ++c) to[c] += bias[c];
    }
  });
}

/// Cheap bounds first; the operands are read only when those do not settle it.
Passes passes_of(const Sliced& c) {
  const double k = static_cast<double>(c.k), x = c.left.max_code, w = c.weights.max_code;
  double bound = k * x * w;
  if (bound > kFloatExact) {
    const SignedSums sums = c.role == Role::kForward ? output_weight_sums(c.shape, c.weights)
                                                     : input_weight_sums(c.shape, c.weights);
    bound = partial_sum_bound({-x, x}, sums);
    if (bound > kFloatExact) {
      const auto n = static_cast<std::uint64_t>(c.shape.batch * c.left_size);
      bound = partial_sum_bound(code_range(c.left, n), sums);
    }
  }
  return choose_passes(k, x, w, bound);
}

/// The same for the weight gradient, whose sums run over the pixels of a slice.
Passes weight_gradient_passes(const ContractionShape& s, const Operand& x, const Operand& dy) {
  const std::int64_t samples = is_dense(s) ? s.batch : weight_slices(s).size;
  const double k = static_cast<double>(std::min(samples, s.batch) * s.out_h() * s.out_w());
  double bound = k * x.max_code * dy.max_code;
  if (bound > kFloatExact) {
    const SignedSums sums = error_sums(s, samples, dy);
    bound = partial_sum_bound({-x.max_code, x.max_code}, sums);
    if (bound > kFloatExact) {
      bound = partial_sum_bound(code_range(x, static_cast<std::uint64_t>(s.x_size())), sums);
    }
  }
  return choose_passes(k, x.max_code, dy.max_code, bound);
}

}  // namespace

void Contraction::State::pack_weights(const Sliced& c, const ExactPlan& plan,
                                      const std::array<SlicePrimitive*, 2>& primitives) {
  const auto [full, last] = primitives;
  const auto count = static_cast<std::size_t>(plan.passes.right.count);
  if (digits_.size() < count) digits_.resize(count);
  for (std::size_t j = 0; j < count; ++j) {
    const float* plain = c.weights.values;
    if (!plan.is_plain_right) {
      float* codes = grown(digits_[j], c.shape.w_size());
      extract_digits(c.weights, c.shape.out_c, c.shape.fan_in(), plan.passes.right,
                     static_cast<int>(j), codes);
      plain = codes;
    }
    full->set_weights(j, plain);
    if (last != full) last->set_weights(j, plain);
  }
}

void Contraction::State::run_exact(const Sliced& c) {
  const ExactPlan plan = plan_of(passes_of(c), c.left, c.weights);
  const Slices slices = output_slices(c.shape);
  const auto primitives = slice_primitives(c.role, c.shape, slices, false);
  pack_weights(c, plan, primitives);
  factors_.assign(static_cast<std::size_t>(c.out_channels), plan.factor);
  if (c.weights.scale_count != 1) {
    for (std::size_t o = 0; o < factors_.size(); ++o) factors_[o] *= double{c.weights.scale[o]};
  }
  reserve_areas(plan.is_plain_left ? 0 : slices.size * c.left_size, 0,
                plan.passes.is_single() ? 0 : slices.size * c.out_size);
  for_each_slice(slices.count, [&](std::int64_t i, std::size_t slot) {
    run_exact_slice(c, plan, *primitives[i + 1 == slices.count ? 1 : 0], slot, slices.first(i),
                    slices.samples(i));
  });
}

void Contraction::State::run_exact_slice(const Sliced& c, const ExactPlan& plan,
                                         SlicePrimitive& chosen, std::size_t slot,
                                         std::int64_t first, std::int64_t samples) {
  Area& area = areas_[slot];
  float* out = c.out + first * c.out_size;
  const std::int64_t out_n = samples * c.out_size, rows = out_n / c.out_channels;
  const auto [x, w] = plan.passes;
  const auto digit = [&, x = x](int i) {
    const Source source{c.left.values, plan.is_plain_left, *c.left.scale, x, i};
    return elements(source, first * c.left_size, samples * c.left_size, area.left);
  };
  if (plan.passes.is_single()) {
    chosen.run(slot, {.left = digit(0), .out = out});
    scale_sums(out, factors_, c.bias, rows, out);
    return;
  }
  if (static_cast<std::int64_t>(area.sums.size()) < out_n) {
    area.sums.resize(static_cast<std::size_t>(out_n));
  }
  float* pass = grown(area.pass, out_n);
  for (int i = 0; i < x.count; ++i) {
    const float* values = digit(i);
    for (int j = 0; j < w.count; ++j) {
      chosen.run(slot, {.left = values, .weights = static_cast<std::size_t>(j), .out = pass});
      add_pass(pass, i * x.bits + j * w.bits, i + j == 0, area.sums.data(),
               static_cast<std::uint64_t>(out_n));
    }
  }
  scale_sums(area.sums.data(), factors_, c.bias, rows, out);
}

void Contraction::State::exact_weight_gradient(const ContractionShape& s, const Operand& x,
                                               const Operand& dy, float* dw) {
  const ExactPlan plan = plan_of(weight_gradient_passes(s, x, dy), x, dy);
  const auto [left, right] = plan.passes;
  const auto size = static_cast<std::uint64_t>(s.w_size());
  if (!plan.passes.is_single() && sums_.size() < size) sums_.resize(size);
  for (int i = 0; i < left.count; ++i) {
    for (int j = 0; j < right.count; ++j) {
      const std::int64_t parts =
          weight_parts(s, {x.values, plan.is_plain_left, *x.scale, left, i},
                       {dy.values, plan.is_plain_right, *dy.scale, right, j}, dw);
      const float* part = parts == 1 ? dw : partials_.data();
      if (plan.passes.is_single()) return merge_parts(part, parts, size, plan.factor, dw);
      const int shift = i * left.bits + j * right.bits;
      for_each_tile(size, [&](std::uint64_t first, std::uint64_t n) {
        for (std::int64_t p = 0; p < parts; ++p) {
          add_pass(part + static_cast<std::uint64_t>(p) * size + first, shift, i + j + p == 0,
                   sums_.data() + first, n);
        }
      });
    }
  }
  for_each_tile(size, [&](std::uint64_t first, std::uint64_t n) {
    for (std::uint64_t e = first; e < first + n; ++e) {
      dw[e] = static_cast<float>(static_cast<double>(sums_[e]) * plan.factor);
    }
  });
}

}  // namespace qloom::network
