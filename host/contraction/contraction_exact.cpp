// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Contractions of integer-coded operands: exact integer sums out of passes in float32 or in bytes.
#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "host/contraction/contraction_state.hpp"

namespace qloom::contraction {
namespace {

/// Sums of several passes.
struct WideSums {
  const std::int64_t* sums;
  double operator[](std::uint64_t i) const { return static_cast<double>(sums[i]); }
  [[nodiscard]] WideSums from(std::uint64_t i) const { return {sums + i}; }
};

/// Cheap bounds first; the operands are read only when those do not settle it.
Passes passes_of(const Sliced& c) {
  const auto k = static_cast<double>(c.k);
  const double x = c.left.largest_code(), w = c.weights.largest_code();
  double bound = k * x * w;
  if (bound > kFloatExact) {
    const SignedSums sums = c.role == Role::kForward ? output_weight_sums(c.shape, c.weights)
                                                     : input_weight_sums(c.shape, c.weights);
    bound = partial_sum_bound({c.left.code_min, c.left.code_max}, sums);
    if (bound > kFloatExact) {
      const auto n = static_cast<std::uint64_t>(c.shape.batch * c.left_size);
      bound = partial_sum_bound(code_range(c.left.codes, n), sums);
    }
  }
  return choose_passes(k, x, w, bound);
}

/// The same for the weight gradient, whose sums run over the pixels of a slice.
Passes weight_gradient_passes(const ContractionShape& s, const Operand& x, const Operand& dy) {
  const std::int64_t samples = is_dense(s) ? s.batch : weight_slices(s).size;
  const double k = static_cast<double>(std::min(samples, s.batch) * s.out_h() * s.out_w());
  double bound = k * x.largest_code() * dy.largest_code();
  if (bound > kFloatExact) {
    const SignedSums sums = error_sums(s, samples, dy);
    bound = partial_sum_bound({x.code_min, x.code_max}, sums);
    if (bound > kFloatExact) {
      bound = partial_sum_bound(code_range(x.codes, static_cast<std::uint64_t>(s.x_size())), sums);
    }
  }
  return choose_passes(k, x.largest_code(), dy.largest_code(), bound);
}

/// The same passes with digits in bytes, if there is a way.
std::optional<ExactPlan> byte_plan(const Sliced& c, const Passes& passes) {
  const ContractionShape& s = c.shape;
  if (!has_exact_bytes() || s.groups != 1) return std::nullopt;
  const bool is_gradient = c.role == Role::kInputGradient;  // what no kernel read must be padding
  if (is_gradient && (s.unread_rows() > s.pad_bottom || s.unread_columns() > s.pad_right)) {
    return std::nullopt;
  }
  const auto left = unsigned_shift(c.left, passes.left);
  const auto right = signed_shift(c.weights, passes.right);
  if (!left || right != 0) return std::nullopt;
  return ExactPlan{passes, common_scale(c.left, c.weights), true, *left};
}

/// What the sums of each output channel are multiplied with.
void set_channel_factors(double common, const Operand& w, std::int64_t channels,
                         std::vector<double>& factors) {
  factors.assign(static_cast<std::size_t>(channels), common);
  if (w.scale_count == 1) return;
  for (std::size_t o = 0; o < factors.size(); ++o) factors[o] *= double{w.scale[o]};
}

}  // namespace

std::vector<double> product_scales(const Operand& x, const Operand& w, std::int64_t out_channels) {
  std::vector<double> factors;
  set_channel_factors(common_scale(x, w), w, out_channels, factors);
  return factors;
}

void scale_integer_sums(const Operand& x, const Operand& w, const Bias& bias,
                        std::int64_t out_channels, std::int64_t rows, const std::int64_t* sums,
                        float* y) {
  scale_sums(WideSums{sums}, product_scales(x, w, out_channels), bias, rows, y);
}

void Contraction::State::run_exact(const Sliced& c) {
  const double bound = static_cast<double>(c.k) * c.left.largest_code() * c.weights.largest_code();
  if (bound > kFloatExact && run_wide(c)) return;
  const Passes passes = passes_of(c);
  if (!lacks_bytes_ && run_bytes(c, passes)) return;
  run_passes(c, {passes, common_scale(c.left, c.weights)});
}

bool Contraction::State::run_bytes(const Sliced& c, const Passes& passes) {
  const auto plan = byte_plan(c, passes);
  try {
    if (plan) run_passes(c, *plan);
    return plan.has_value();
  } catch (const NoPrimitive&) {
    lacks_bytes_ = true;  // this version of oneDNN has no such convolution
    return false;
  }
}

void Contraction::State::pack_weights(const Sliced& c, const ExactPlan& plan,
                                      const std::array<SlicePrimitive*, 2>& primitives) {
  const int count = plan.passes.right.count;
  std::vector<Tensor>& digits = scratch_->digits;
  if (digits.size() < static_cast<std::size_t>(count))
    digits.resize(static_cast<std::size_t>(count));
  for (int j = 0; j < count; ++j) {
    const auto index = static_cast<std::size_t>(j);
    set_weights(primitives, index,
                all_elements(plan.right(c.weights, j), c.shape.w_size(), digits[index]));
  }
}

void Contraction::State::set_factors(const Sliced& c, const ExactPlan& plan) {
  set_channel_factors(plan.factor, c.weights, c.out_channels, factors_);
}

void Contraction::State::run_passes(const Sliced& c, const ExactPlan& plan) {
  const Slices slices = output_slices(c.shape);
  const auto primitives = slice_primitives({c.role, c.shape, false, plan.in_bytes}, slices);
  pack_weights(c, plan, primitives);
  set_factors(c, plan);
  reserve_areas(plan.left(c.left, 0).buffer_size(slices.size * c.left_size), 0,
                plan.passes.is_single() ? 0 : slices.size * c.out_size);
  for_each_slice(slices.count, [&](std::int64_t i, std::size_t slot) {
    SlicePrimitive& chosen = *primitives[i + 1 == slices.count ? 1 : 0];
    run_slice(c, plan, chosen, slot, slices.first(i), slices.samples(i));
  });
}

void Contraction::State::run_slice(const Sliced& c, const ExactPlan& plan, SlicePrimitive& chosen,
                                   std::size_t slot, std::int64_t first, std::int64_t samples) {
  Area& area = scratch_->areas[slot];
  float* out = c.out + first * c.out_size;
  const std::int64_t out_n = samples * c.out_size, rows = out_n / c.out_channels;
  const auto [x, w] = plan.passes;
  const bool is_single = plan.passes.is_single();
  if (!is_single && static_cast<std::int64_t>(area.sums.size()) < out_n) {
    area.sums.resize(static_cast<std::size_t>(out_n));
  }
  float* pass = is_single ? out : grown(area.pass, out_n);
  for (int i = 0; i < x.count; ++i) {
    const void* left =
        elements(plan.left(c.left, i), first * c.left_size, samples * c.left_size, area.left);
    for (int j = 0; j < w.count; ++j) {
      chosen.run(slot, {.left = left,
                        .weights = static_cast<std::size_t>(j),
                        .out = pass,
                        .shift = plan.left_shift});
      if (is_single) break;
      const int shift = i * x.bits + j * w.bits;
      const auto add = [&, i, j, shift](auto sums) {
        add_pass(sums, shift, i + j == 0, area.sums.data(), static_cast<std::uint64_t>(out_n));
      };
      plan.in_bytes ? add(IntegerSums{pass}) : add(FloatSums{pass});
    }
  }
  const auto scale = [&](auto sums) {
    if (c.sums != nullptr) copy_sums(sums, c.out_channels, rows, c.sums + first * c.out_size);
    scale_sums(sums, factors_, c.bias, rows, out);
  };
  if (!is_single)
    scale(WideSums{area.sums.data()});
  else if (plan.in_bytes)
    scale(IntegerSums{out});
  else
    scale(FloatSums{out});
}

void Contraction::State::exact_weight_gradient(const ContractionShape& s, const Operand& x,
                                               const Operand& dy, float* dw) {
  if (byte_weight_gradient(s, x, dy, dw)) return;
  const ExactPlan plan{weight_gradient_passes(s, x, dy), common_scale(x, dy)};
  const auto [left, right] = plan.passes;
  const auto size = static_cast<std::uint64_t>(s.w_size());
  if (!plan.passes.is_single() && scratch_->sums.size() < size) scratch_->sums.resize(size);
  for (int i = 0; i < left.count; ++i) {
    for (int j = 0; j < right.count; ++j) {
      const std::int64_t parts = weight_parts(s, plan.left(x, i), plan.right(dy, j), dw);
      const float* part = parts == 1 ? dw : scratch_->partials.data();
      if (plan.passes.is_single()) {
        return merge_parts(FloatSums{part}, parts, size, plan.factor, dw);
      }
      const int shift = i * left.bits + j * right.bits;
      for_each_tile(size, [&](std::uint64_t first, std::uint64_t n) {
        for (std::int64_t p = 0; p < parts; ++p) {
          const FloatSums sums{part + static_cast<std::uint64_t>(p) * size + first};
          add_pass(sums, shift, i + j + p == 0, scratch_->sums.data() + first, n);
        }
      });
    }
  }
  for_each_tile(size, [&](std::uint64_t first, std::uint64_t n) {
    for (std::uint64_t e = first; e < first + n; ++e) {
      dw[e] = static_cast<float>(static_cast<double>(scratch_->sums[e]) * plan.factor);
    }
  });
}

}  // namespace qloom::contraction
