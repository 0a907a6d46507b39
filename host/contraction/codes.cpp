// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/contraction/codes.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "host/kernels/vectorized.hpp"
#include "host/tensor/error.hpp"
#include "host/tensor/parallel.hpp"

namespace qloom::network {
namespace {

constexpr int kMostDigits = 8;

/// Sums of float32 values in double may be off by their roundings: this makes them upper bounds.
constexpr double kSlack = 1 + 0x1p-20;

/// Adding and taking off 1.5 * 2^23 leaves the nearest integer, ties to even, for |x| <= 2^22.
inline float nearest_integer(float x) {
  constexpr float kShift = 12582912.0F;
  return (x + kShift) - kShift;
}

/// Bits of the smallest digits that hold max_code in `count` digits.
int digit_bits(double max_code, int count) {
  for (int bits = 1;; ++bits) {
    const double base = std::ldexp(1.0, bits);
    double rest = max_code;
    for (int i = 1; i < count; ++i) rest = std::floor(rest / base + 0.5);
    if (rest <= base / 2) return bits;
  }
}

double largest_digit(double max_code, int count) {
  return count == 1 ? max_code : std::ldexp(1.0, digit_bits(max_code, count) - 1);
}

Digits digits_of(double max_code, int count) {
  return {count, count == 1 ? 0 : digit_bits(max_code, count)};
}

}  // namespace

Passes choose_passes(double k, double max_left, double max_right, double single_bound) {
  if (single_bound <= kFloatExact) return {};
  std::optional<Passes> best;
  for (int left = 1; left <= kMostDigits; ++left) {
    for (int right = 1; right <= kMostDigits; ++right) {
      if (k * largest_digit(max_left, left) * largest_digit(max_right, right) > kFloatExact)
        continue;
      if (best && best->left.count * best->right.count <= left * right) continue;
      best = Passes{digits_of(max_left, left), digits_of(max_right, right)};
    }
  }
  if (!best || k * max_left * max_right > 0x1p62) {
    throw RunError("exact sum of " + std::to_string(k) + " products of codes up to " +
                   std::to_string(max_left) + " and " + std::to_string(max_right) +
                   " is wider than 62 bits or has too many terms");
  }
  return *best;
}

void extract_digit(const float* values, float scale, Digits digits, int index, float* out,
                   std::uint64_t n) {
  if (scale == 0) {
    std::fill_n(out, n, 0.0F);
    return;
  }
  if (digits.count == 1) {
    return kernels::vectorized([=] {
      QLOOM_INDEPENDENT_STEPS
      for (std::uint64_t i = 0; i < n; ++i) out[i] = nearest_integer(values[i] / scale);
    });
  }
  const float base = std::ldexp(1.0F, digits.bits), inverse = 1.0F / base;
  const bool is_last = index == digits.count - 1;
  kernels::vectorized([=] {
    QLOOM_INDEPENDENT_STEPS
    for (std::uint64_t i = 0; i < n; ++i) out[i] = nearest_integer(values[i] / scale);
    for (int d = 0; d < index; ++d) {
      for (std::uint64_t i = 0; i < n; ++i) out[i] = nearest_integer(out[i] * inverse);
    }
    if (is_last) return;
    for (std::uint64_t i = 0; i < n; ++i) out[i] -= base * nearest_integer(out[i] * inverse);
  });
}

void extract_digits(const Operand& operand, std::int64_t rows, std::int64_t pitch, Digits digits,
                    int index, float* out) {
  if (operand.scale_count == 1) {
    for_each_tile(
        static_cast<std::uint64_t>(rows * pitch), [&](std::uint64_t first, std::uint64_t n) {
          extract_digit(operand.values + first, *operand.scale, digits, index, out + first, n);
        });
    return;
  }
  const auto n = static_cast<std::uint64_t>(pitch);
  for_each(static_cast<std::uint64_t>(rows), [&](std::uint64_t r) {
    extract_digit(operand.values + r * n, operand.scale[r], digits, index, out + r * n, n);
  });
}

bool is_plain_unit(float scale) {
  int exponent = 0;
  // 2^-40 to 2^40: products of two units and 2^24 of them stay normal float32 numbers.
  return std::frexp(scale, &exponent) == 0.5F && std::abs(exponent) <= 40;
}

namespace {

/// Sums of one output in value units: of the values and of their magnitudes.
SignedSums from_totals(double total, double magnitude) {
  // The magnitudes' rounding also covers the total's, where positive and negative cancel.
  const double slack = magnitude * 0x1p-20;
  return {(magnitude + total) / 2 + slack, (magnitude - total) / 2 + slack};
}

void widen(SignedSums& most, const SignedSums& sums) {
  most.positive = std::max(most.positive, sums.positive);
  most.negative = std::max(most.negative, sums.negative);
}

/// The largest sums of parts that threads hand in; the largest depends on no order.
class Largest {
 public:
  void take(const SignedSums& sums) {
    const std::lock_guard lock(mutex_);
    widen(most_, sums);
  }
  [[nodiscard]] const SignedSums& most() const { return most_; }

 private:
  std::mutex mutex_;
  SignedSums most_;
};

/// In code units.
SignedSums in_codes(SignedSums sums, double scale) {
  const double unit = std::abs(scale);
  if (scale < 0) std::swap(sums.positive, sums.negative);
  return {sums.positive / unit * kSlack, sums.negative / unit * kSlack};
}

constexpr std::size_t kLanes = 64;  // independent sums, so that the loop is vectorized

/// Largest sums per channel over `rows` rows.
SignedSums column_sums(const float* values, std::int64_t rows, std::int64_t channels) {
  SignedSums most;
  constexpr auto kBlock = static_cast<std::int64_t>(kLanes);
  for (std::int64_t c0 = 0; c0 < channels; c0 += kBlock) {
    const auto n = static_cast<std::size_t>(std::min(kBlock, channels - c0));
    std::array<double, kLanes> total{}, magnitude{};
    kernels::vectorized([&] {
      for (std::int64_t r = 0; r < rows; ++r) {
        const float* row = values + r * channels + c0;
        for (std::size_t c = 0; c < n; ++c) {
          total[c] += row[c];
          magnitude[c] += std::abs(row[c]);
        }
      }
    });
    for (std::size_t c = 0; c < n; ++c) widen(most, from_totals(total[c], magnitude[c]));
  }
  return most;
}

/// Sums over all n values.
SignedSums row_sums(const float* values, std::size_t n) {
  std::array<double, kLanes> total{}, magnitude{};
  kernels::vectorized([&] {
    for (std::size_t first = 0; first < n; first += kLanes) {
      const std::size_t count = std::min(kLanes, n - first);
      for (std::size_t i = 0; i < count; ++i) {
        total[i] += values[first + i];
        magnitude[i] += std::abs(values[first + i]);
      }
    }
  });
  double all = 0, all_magnitudes = 0;
  for (std::size_t i = 0; i < kLanes; ++i) {
    all += total[i];
    all_magnitudes += magnitude[i];
  }
  return from_totals(all, all_magnitudes);
}

}  // namespace

SignedSums output_weight_sums(const ContractionShape& s, const Operand& w) {
  Largest largest;
  for_each(static_cast<std::uint64_t>(s.out_c), [&](std::uint64_t o) {
    const float scale = w.scale[w.scale_count == 1 ? 0 : o];
    if (scale == 0) return;
    const auto fan_in = static_cast<std::size_t>(s.fan_in());
    largest.take(in_codes(row_sums(w.values + o * fan_in, fan_in), scale));
  });
  return largest.most();
}

SignedSums input_weight_sums(const ContractionShape& s, const Operand& w) {
  if (*w.scale == 0) return {};
  Largest largest;
  const std::int64_t rows = s.out_c / s.groups * s.kernel_h * s.kernel_w;
  const std::int64_t inputs = s.in_c / s.groups;
  for_each(static_cast<std::uint64_t>(s.groups), [&](std::uint64_t g) {
    largest.take(
        column_sums(w.values + static_cast<std::int64_t>(g) * rows * inputs, rows, inputs));
  });
  return in_codes(largest.most(), *w.scale);
}

SignedSums error_sums(const ContractionShape& s, std::int64_t slice_samples, const Operand& dy) {
  if (*dy.scale == 0) return {};
  const std::int64_t pixels = s.out_h() * s.out_w();
  Largest largest;
  for_each(static_cast<std::uint64_t>((s.batch + slice_samples - 1) / slice_samples),
           [&](std::uint64_t i) {
             const std::int64_t first = static_cast<std::int64_t>(i) * slice_samples;
             largest.take(column_sums(dy.values + first * pixels * s.out_c,
                                      std::min(slice_samples, s.batch - first) * pixels, s.out_c));
           });
  return in_codes(largest.most(), *dy.scale);
}

CodeRange code_range(const Operand& operand, std::uint64_t n) {
  if (*operand.scale == 0) return {};
  const double scale = *operand.scale;
  std::mutex mutex;
  CodeRange range;
  for_each_tile(n, [&](std::uint64_t first, std::uint64_t count) {
    const qloom_tensor tile{operand.values + first, nullptr, 0, count, 1, 1, count};
    double least = 0, most = 0;
    kernels::table().reduce(&tile, QLOOM_REDUCE_MIN, nullptr, &least);
    kernels::table().reduce(&tile, QLOOM_REDUCE_MAX, nullptr, &most);
    const double a = least / scale * kSlack, b = most / scale * kSlack;
    const std::lock_guard lock(mutex);
    range.lo = std::min({range.lo, a, b});
    range.hi = std::max({range.hi, a, b});
  });
  return range;
}

double partial_sum_bound(const CodeRange& range, const SignedSums& sums) {
  // Positive products: (positive, hi) and (negative, lo); negative ones the other way round.
  return std::max(sums.positive * range.hi - sums.negative * range.lo,
                  sums.negative * range.hi - sums.positive * range.lo);
}

}  // namespace qloom::network
