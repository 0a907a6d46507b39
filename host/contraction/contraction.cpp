// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/contraction/contraction.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <string>

#include "host/contraction/contraction_state.hpp"
#include "host/kernels/stored_codes.hpp"
#include "host/tensor/error.hpp"

namespace qloom::contraction {
namespace {

Sliced forward_role(const ContractionShape& s, const Operand& x, const Operand& w, const Bias& bias,
                    float* y, std::int64_t* sums) {
  return {Role::kForward,       s,       x,          w,   bias, y, s.x_size() / s.batch,
          s.y_size() / s.batch, s.out_c, s.fan_in(), sums};
}

Sliced input_gradient_role(const ContractionShape& s, const Operand& dy, const Operand& w,
                           float* dx) {
  return {Role::kInputGradient,
          s,
          dy,
          w,
          {},
          dx,
          s.y_size() / s.batch,
          s.x_size() / s.batch,
          s.in_c,
          s.kernel_h * s.kernel_w * s.out_c / s.groups};
}

/// Does accumulate() add up the products? An exact sum of codes is the same in any order and by any
/// means; one of real values is more than float32 passes give.
bool is_modelled(const AccumulatorRef& accumulator, bool are_coded) {
  return accumulator.ops != nullptr &&
         (!are_coded || accumulator.ops->is_exact(accumulator.self) == 0);
}

void check(const ContractionShape& s) {
  const bool is_possible = s.batch > 0 && s.in_c > 0 && s.out_c > 0 && s.groups > 0 &&
                           s.in_c % s.groups == 0 && s.out_c % s.groups == 0 && s.stride_h > 0 &&
                           s.stride_w > 0 && s.dilation_h > 0 && s.dilation_w > 0 &&
                           s.in_h + s.pad_top + s.pad_bottom >= s.extent_h() &&
                           s.in_w + s.pad_left + s.pad_right >= s.extent_w();
  if (is_possible) return;
  const auto text = [](std::int64_t n) { return std::to_string(n); };
  throw RunError("contraction of " + text(s.batch) + " x " + text(s.in_h) + " x " + text(s.in_w) +
                 " x " + text(s.in_c) + " with " + text(s.out_c) + " kernels of " +
                 text(s.kernel_h) + " x " + text(s.kernel_w) + " (" + text(s.extent_h()) + " x " +
                 text(s.extent_w()) + " with dilation) in " + text(s.groups) +
                 " groups: expected at least one sample and one output pixel, and channels that "
                 "are multiples of the groups");
}

}  // namespace

bool sums_are_integers(const ContractionShape& s, const Operand& x, const Operand& w) {
  return is_coded(x) && is_coded(w) && x.scale_count == 1 &&
         (!PaddedInput::is_needed(s, x) || PaddedInput::keeps_codes(x));
}

Contraction::Contraction() : state_(std::make_unique<State>()) {}
Contraction::~Contraction() = default;
Contraction::Contraction(Contraction&&) noexcept = default;
Contraction& Contraction::operator=(Contraction&&) noexcept = default;

void Contraction::forward(const ContractionShape& s, const Operand& x, const Operand& w,
                          const Bias& bias, float* y, const AccumulatorRef& accumulator,
                          std::int64_t* sums) {
  check(s);
  if (PaddedInput::is_needed(s, x)) {
    const Padded padded = state_->padded.make(s, x);
    return forward(padded.shape, padded.x, w, bias, y, accumulator, sums);
  }
  const bool are_coded = sums_are_integers(s, x, w);
  const bool models = is_modelled(accumulator, are_coded);
  const bool are_whole =
      models ? (accumulator.ops->caps & QLOOM_ACCUMULATOR_INTEGER) != 0 : are_coded;
  if (sums != nullptr && !are_whole) {
    throw RunError("there are no integer sums: an operand is real or the accumulator adds others");
  }
  if (models) {
    state_->modelled.forward(s, x, w, bias, y, accumulator, sums);
    return;
  }
  const Sliced role = forward_role(s, x, w, bias, y, sums);
  if (are_coded) {
    state_->ready().run_exact(role);
  } else {
    state_->ready().run_real(role);
  }
}

void Contraction::input_gradient(const ContractionShape& s, const Operand& dy, const Operand& w,
                                 float* dx, const AccumulatorRef& accumulator) {
  check(s);
  const bool are_coded = is_coded(dy) && is_coded(w) && dy.scale_count == 1 && w.scale_count == 1;
  if (is_modelled(accumulator, are_coded)) {
    state_->modelled.input_gradient(s, dy, w, dx, accumulator);
    return;
  }
  const Sliced role = input_gradient_role(s, dy, w, dx);
  if (are_coded) {
    state_->ready().run_exact(role);
  } else {
    state_->ready().run_real(role);
  }
}

void Contraction::weight_gradient(const ContractionShape& s, const Operand& x, const Operand& dy,
                                  float* dw, const AccumulatorRef& accumulator) {
  check(s);
  if (PaddedInput::is_needed(s, x)) {
    const Padded padded = state_->padded.make(s, x);
    return weight_gradient(padded.shape, padded.x, dy, dw, accumulator);
  }
  const bool are_coded = is_coded(x) && is_coded(dy) && x.scale_count == 1 && dy.scale_count == 1;
  if (is_modelled(accumulator, are_coded)) {
    state_->modelled.weight_gradient(s, x, dy, dw, accumulator);
  } else if (are_coded) {
    state_->ready().exact_weight_gradient(s, x, dy, dw);
  } else {
    state_->ready().real_weight_gradient(s, x, dy, dw);
  }
}

namespace {

constexpr std::int64_t kChannels = 64;  // independent sums, so that the loop is vectorized

using ChannelSums = std::array<double, kChannels>;

/// Adds up rows first .. first + rows - 1 of dy, channels c0 .. c0 + n - 1.
ChannelSums channel_sums(const Operand& dy, std::int64_t first, std::int64_t rows,
                         std::int64_t pitch, std::int64_t c0, std::size_t n) {
  ChannelSums sum{};
  std::array<float, kChannels> buffer;
  for (std::int64_t r = first; r < first + rows; ++r) {
    const float* row = dy.values + r * pitch + c0;
    if (dy.values == nullptr) {
      row = buffer.data();
      kernels::load_values(dy.codes.from(static_cast<std::uint64_t>(r * pitch + c0)), *dy.scale,
                           buffer.data(), n);
    }
    for (std::size_t c = 0; c < n; ++c) sum[c] += row[c];
  }
  return sum;
}

}  // namespace

void bias_gradient(const ContractionShape& s, const Operand& dy, float* db) {
  constexpr std::int64_t kParts = 16;
  const std::int64_t rows = s.y_size() / s.out_c;
  const Slices parts = cut(rows, (rows + kParts - 1) / kParts);
  for (std::int64_t c0 = 0; c0 < s.out_c; c0 += kChannels) {
    const auto n = static_cast<std::size_t>(std::min(kChannels, s.out_c - c0));
    std::array<ChannelSums, kParts> sums{};
    for_each_slice(parts.count, [&](std::int64_t p, std::size_t) {
      sums[static_cast<std::size_t>(p)] =
          channel_sums(dy, parts.first(p), parts.samples(p), s.out_c, c0, n);
    });
    for (std::size_t c = 0; c < n; ++c) {
      double total = 0;
      for (const auto& sum : sums) total += sum[c];
      db[c0 + static_cast<std::int64_t>(c)] = static_cast<float>(total);
    }
  }
}

}  // namespace qloom::contraction
