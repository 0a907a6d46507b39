// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Contractions of codes in bytes in one pass, whatever the size of their sums: unsigned codes times
// signed ones, added up in 32 bits. Codes below 0 are shifted up; what that adds to an output is
// the same for every sample and is taken off behind the sum.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <vector>

#include "host/contraction/contraction_state.hpp"

namespace qloom::contraction {
namespace {

/// 32-bit sums, each with its correction; the difference is formed modulo 2^32.
struct CorrectedSums {
  const float* sums;
  const std::int32_t* correction;
  double operator[](std::uint64_t i) const {
    const auto sum = std::bit_cast<std::uint32_t>(sums[i]);
    return static_cast<double>(
        static_cast<std::int32_t>(sum - static_cast<std::uint32_t>(correction[i])));
  }
  [[nodiscard]] CorrectedSums from(std::uint64_t i) const { return {sums + i, correction + i}; }
};

/// Codes as bytes, if they fit, and sums that fit in 32 bits.
std::optional<ExactPlan> wide_plan(const Sliced& c) {
  const ContractionShape& s = c.shape;
  if (s.groups != 1) return std::nullopt;
  if (c.role == Role::kInputGradient) {
    const bool is_turned = s.stride_h == 1 && s.stride_w == 1 && s.pad_top < s.extent_h() &&
                           s.pad_bottom < s.extent_h() && s.pad_left < s.extent_w() &&
                           s.pad_right < s.extent_w();
    if (!is_turned) return std::nullopt;
  }
  const auto left = unsigned_shift(c.left, {});
  if (!left || signed_shift(c.weights, {}) != 0) return std::nullopt;
  const double bound = static_cast<double>(c.k) * c.left.largest_code() * c.weights.largest_code();
  if (bound >= 0x1p31) return std::nullopt;
  return ExactPlan{{}, common_scale(c.left, c.weights), true, *left};
}

/// The weights with the kernel's places of each output channel in reverse order.
const void* turned_round(const ContractionShape& s, const void* weights, Tensor& buffer) {
  const auto* from = static_cast<const std::uint8_t*>(weights);
  std::uint8_t* const to = bytes_of(buffer, s.w_size());
  const std::int64_t places = s.kernel_h * s.kernel_w;
  for_each(static_cast<std::uint64_t>(s.out_c), [&](std::uint64_t o) {
    const std::int64_t first = static_cast<std::int64_t>(o) * places * s.in_c;
    for (std::int64_t place = 0; place < places; ++place) {
      std::copy_n(from + first + place * s.in_c, s.in_c,
                  to + first + (places - 1 - place) * s.in_c);
    }
  });
  return to;
}

/// Does a convolution of this shape give the sums that integer loops give? All products have one
/// sign and are odd, so that partial sums use every bit up to 2^28.
bool is_proved(const ContractionShape& s) {
  SlicePrimitive primitive({.shape = s, .in_bytes = true, .is_wide = true});
  if (!primitive.has_wide_sums()) return false;
  Tensor x, packed, w, y;
  std::uint8_t* const codes = bytes_of(x, s.x_size());
  std::uint8_t* const weights = bytes_of(w, s.w_size());
  for (std::int64_t i = 0; i < s.x_size(); ++i)
    codes[i] = static_cast<std::uint8_t>(255 - i % 4 * 2);
  for (std::int64_t i = 0; i < s.w_size(); ++i) {
    weights[i] = static_cast<std::uint8_t>(127 - i % 3 * 2);
  }
  primitive.set_weights(0, weights,
                        bytes_of(packed, static_cast<std::int64_t>(primitive.packed_size())));
  primitive.reserve(1);
  const SingleThread guard;
  primitive.run(0, {.left = codes, .out = grown(y, s.y_size())});
  const IntegerSums sums{y.data()};
  const std::int64_t k = s.fan_in();
  for (std::int64_t r = 0; r < s.y_size() / s.out_c; ++r) {  // without padding: rows of k codes
    const std::int64_t oh = r / s.out_w(), ow = r % s.out_w();
    for (std::int64_t o = 0; o < s.out_c; ++o) {
      std::int64_t sum = 0;
      for (std::int64_t i = 0; i < k; ++i) {
        const std::int64_t place = i / s.in_c;
        const std::int64_t h = oh + place / s.kernel_w, w_at = ow + place % s.kernel_w;
        sum += std::int64_t{codes[(h * s.in_w + w_at) * s.in_c + i % s.in_c]} *
               std::int64_t{weights[o * k + i]};
      }
      if (sums[static_cast<std::uint64_t>(r * s.out_c + o)] != static_cast<double>(sum))
        return false;
    }
  }
  return true;
}

}  // namespace

bool has_wide_bytes() {
  static const bool has = [] {
    if (!has_exact_bytes()) return false;
    try {
      return is_proved(
                 {.in_h = 5, .in_w = 5, .in_c = 512, .out_c = 32, .kernel_h = 3, .kernel_w = 3}) &&
             is_proved({.in_w = 8, .in_c = 2048, .out_c = 32});
    } catch (const NoPrimitive&) {
      return false;  // this version of oneDNN has no such convolution
    }
  }();
  return has;
}

bool Contraction::State::run_wide(const Sliced& c) {
  if (lacks_wide_ || !has_wide_bytes()) return false;
  const auto plan = wide_plan(c);
  try {
    return plan && run_wide_slices(c, *plan);
  } catch (const NoPrimitive&) {
    lacks_wide_ = true;
    return false;
  }
}

void Contraction::State::correct(const Sliced& c, const ExactPlan& plan, const void* weights) {
  std::vector<std::int32_t>& correction = scratch_->correction;
  correction.clear();
  if (plan.left_shift == 0) return;
  SlicePrimitive& one = primitive({c.role, with_batch(c.shape, 1), false, true, true});
  set_weights({&one, &one}, 1, weights);
  Area& area = scratch_->areas.front();
  std::uint8_t* const shifts = bytes_of(area.left, c.left_size);
  std::memset(shifts, plan.left_shift, static_cast<std::size_t>(c.left_size));
  correction.resize(static_cast<std::size_t>(c.out_size));
  one.run(0, {.left = shifts, .weights = 1, .out = correction.data()});
}

bool Contraction::State::run_wide_slices(const Sliced& c, const ExactPlan& plan) {
  const Slices slices = output_slices(c.shape);
  const auto primitives = slice_primitives({c.role, c.shape, false, true, true}, slices);
  if (!primitives[0]->has_wide_sums() || !primitives[1]->has_wide_sums()) {
    lacks_wide_ = true;
    return false;
  }
  std::vector<Tensor>& buffers = scratch_->digits;
  if (buffers.size() < 2) buffers.resize(2);
  const void* weights = all_elements(plan.right(c.weights, 0), c.shape.w_size(), buffers[0]);
  if (c.role == Role::kInputGradient) weights = turned_round(c.shape, weights, buffers[1]);
  set_weights(primitives, 0, weights);
  set_factors(c, plan);
  const Source left = plan.left(c.left, 0);
  reserve_areas(left.buffer_size(slices.size * c.left_size), 0, 0);
  correct(c, plan, weights);
  const std::int64_t rows = c.out_size / c.out_channels;
  for_each_slice(slices.count, [&](std::int64_t i, std::size_t slot) {
    const std::int64_t samples = slices.samples(i);
    float* out = c.out + slices.first(i) * c.out_size;
    primitives[i + 1 == slices.count ? 1 : 0]->run(
        slot, {.left = elements(left, slices.first(i) * c.left_size, samples * c.left_size,
                                scratch_->areas[slot].left),
               .out = out});
    const auto scale = [&](auto sums, std::int64_t count) {
      if (c.sums != nullptr) copy_sums(sums, c.out_channels, count, c.sums + (out - c.out));
      scale_sums(sums, factors_, c.bias, count, out);
    };
    if (scratch_->correction.empty()) return scale(IntegerSums{out}, samples * rows);
    for (std::int64_t n = 0; n < samples; ++n, out += c.out_size) {
      scale(CorrectedSums{out, scratch_->correction.data()}, rows);
    }
  });
  return true;
}

}  // namespace qloom::contraction
