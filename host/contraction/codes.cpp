// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/contraction/codes.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <mutex>
#include <numeric>
#include <string>

#include "host/kernels/stored_codes.hpp"
#include "host/kernels/vectorized.hpp"
#include "host/tensor/error.hpp"
#include "host/tensor/parallel.hpp"

namespace qloom::contraction {
namespace {

constexpr int kMostDigits = 8;
constexpr double kByteSpan = 255, kSignedMin = -128, kSignedMax = 127;

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

/// The codes themselves, or what every digit of theirs may be.
CodeRange range_of(const Operand& operand, Digits digits) {
  if (digits.count == 1) return {operand.code_min, operand.code_max};
  const double limit = std::ldexp(1.0, digits.bits - 1);
  return {-limit, limit};
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

void load_digit(CodeView codes, Digits digits, int index, float* out, std::uint64_t n) {
  kernels::load_codes(codes, out, n);
  if (digits.count == 1) return;
  const float base = std::ldexp(1.0F, digits.bits), inverse = 1.0F / base;
  const bool is_last = index == digits.count - 1;
  kernels::vectorized([=] {
    for (int d = 0; d < index; ++d) {
      for (std::uint64_t i = 0; i < n; ++i) out[i] = nearest_integer(out[i] * inverse);
    }
    if (is_last) return;
    for (std::uint64_t i = 0; i < n; ++i) out[i] -= base * nearest_integer(out[i] * inverse);
  });
}

std::optional<std::int32_t> unsigned_shift(const Operand& operand, Digits digits) {
  const CodeRange range = range_of(operand, digits);
  if (range.hi - range.lo > kByteSpan) return std::nullopt;
  return static_cast<std::int32_t>(-range.lo);
}

std::optional<std::int32_t> signed_shift(const Operand& operand, Digits digits) {
  const CodeRange range = range_of(operand, digits);
  if (range.lo >= kSignedMin && range.hi <= kSignedMax) return 0;
  if (range.hi - range.lo > kByteSpan) return std::nullopt;
  return static_cast<std::int32_t>(kSignedMin - range.lo);
}

void load_digit_bytes(CodeView codes, Digits digits, int index, std::int32_t shift,
                      std::uint8_t* out, std::uint64_t n) {
  if (digits.count == 1 && codes.form.bytes() == 1)
    return kernels::load_bytes(codes, shift, out, n);
  constexpr std::uint64_t kBlock = 1024;
  alignas(64) std::array<float, kBlock> digit;
  for (std::uint64_t first = 0; first < n; first += kBlock) {
    const std::uint64_t count = std::min(kBlock, n - first);
    load_digit(codes.from(first), digits, index, digit.data(), count);
    kernels::vectorized([=, data = digit.data(), bytes = out + first] {
      std::uint8_t* const to = bytes;  // may be anything's: the rest has to be this loop's own
      const float* const from = data;
      const std::int32_t more = shift;
      const std::uint64_t size = count;
      QLOOM_INDEPENDENT_STEPS
      for (std::uint64_t i = 0; i < size; ++i) {
        to[i] = static_cast<std::uint8_t>(static_cast<std::int32_t>(from[i]) + more);
      }
    });
  }
}

namespace {

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

constexpr std::uint64_t kColumns = 64;  ///< that are added up together
constexpr std::uint64_t kLanes = 16;    ///< of a register

/// Sums of codes per column, of at most kColumns columns.
class ColumnSums {
 public:
  explicit ColumnSums(std::uint64_t columns) : columns_(columns), width_(columns) {
    const std::uint64_t whole = std::lcm(columns, kLanes);  // some narrow rows as one wide row
    if (whole <= total_.size()) width_ = whole;
  }

  /// Rows that are `pitch` codes apart.
  void add(CodeView codes, std::uint64_t rows, std::uint64_t pitch) {
    const bool is_whole = columns_ == pitch;  // then rows lie side by side
    const std::uint64_t together = is_whole ? kTileElements / width_ * width_ / columns_ : 1;
    for (std::uint64_t first = 0; first < rows; first += together) {
      const std::uint64_t n = std::min(together, rows - first) * columns_;
      kernels::load_codes(codes.from(first * pitch), block_.data(), n);
      const std::uint64_t end = n / width_ * width_;
      add_wide_rows(end);
      for (std::uint64_t i = end; i < n; ++i) add(block_[i], i - end);
    }
  }
  /// The largest over the columns.
  [[nodiscard]] SignedSums most() const {
    SignedSums most;
    for (std::uint64_t column = 0; column < columns_; ++column) {
      SignedSums sums;
      for (std::uint64_t c = column; c < width_; c += columns_) {
        sums.positive += (magnitude_[c] + total_[c]) / 2;
        sums.negative += (magnitude_[c] - total_[c]) / 2;
      }
      widen(most, sums);
    }
    return most;
  }

 private:
  void add(float code, std::uint64_t c) {
    total_[c] += code;
    magnitude_[c] += std::abs(code);
  }
  /// The first n codes of the block.
  void add_wide_rows(std::uint64_t n) {
    kernels::vectorized([n, width = width_, codes = block_.data(), total = total_.data(),
                         magnitude = magnitude_.data()] {
      for (const float* row = codes; row < codes + n; row += width) {
        QLOOM_INDEPENDENT_STEPS
        for (std::uint64_t c = 0; c < width; ++c) {
          total[c] += row[c];
          magnitude[c] += std::abs(row[c]);
        }
      }
    });
  }

  std::uint64_t columns_, width_;
  std::array<double, kColumns * kLanes> total_{}, magnitude_{};  // integers, exact
  std::array<float, kTileElements> block_;
};

/// Largest sums per channel over `rows` rows.
SignedSums column_sums(CodeView codes, std::int64_t rows, std::int64_t channels) {
  SignedSums most;
  const auto pitch = static_cast<std::uint64_t>(channels);
  for (std::uint64_t c = 0; c < pitch; c += kColumns) {
    ColumnSums sums(std::min(kColumns, pitch - c));
    sums.add(codes.from(c), static_cast<std::uint64_t>(rows), pitch);
    widen(most, sums.most());
  }
  return most;
}

/// Sums over all n codes.
SignedSums row_sums(CodeView codes, std::uint64_t n) {
  ColumnSums sums(1);
  sums.add(codes, n, 1);
  return sums.most();
}

}  // namespace

SignedSums output_weight_sums(const ContractionShape& s, const Operand& w) {
  Largest largest;
  const auto fan_in = static_cast<std::uint64_t>(s.fan_in());
  for_each(static_cast<std::uint64_t>(s.out_c),
           [&](std::uint64_t o) { largest.take(row_sums(w.codes.from(o * fan_in), fan_in)); });
  return largest.most();
}

SignedSums input_weight_sums(const ContractionShape& s, const Operand& w) {
  Largest largest;
  const std::int64_t rows = s.out_c / s.groups * s.kernel_h * s.kernel_w;
  const std::int64_t inputs = s.in_c / s.groups;
  for_each(static_cast<std::uint64_t>(s.groups), [&](std::uint64_t g) {
    const std::uint64_t first = g * static_cast<std::uint64_t>(rows * inputs);
    largest.take(column_sums(w.codes.from(first), rows, inputs));
  });
  return largest.most();
}

SignedSums error_sums(const ContractionShape& s, std::int64_t slice_samples, const Operand& dy) {
  const std::int64_t pixels = s.out_h() * s.out_w();
  Largest largest;
  for_each(static_cast<std::uint64_t>((s.batch + slice_samples - 1) / slice_samples),
           [&](std::uint64_t i) {
             const std::int64_t first = static_cast<std::int64_t>(i) * slice_samples;
             const auto from = static_cast<std::uint64_t>(first * pixels * s.out_c);
             largest.take(column_sums(dy.codes.from(from),
                                      std::min(slice_samples, s.batch - first) * pixels, s.out_c));
           });
  return largest.most();
}

CodeRange code_range(CodeView codes, std::uint64_t n) {
  std::mutex mutex;
  CodeRange range;
  for_each_tile(n, [&](std::uint64_t first, std::uint64_t count) {
    std::array<float, kTileElements> tile;
    kernels::load_codes(codes.from(first), tile.data(), count);
    const qloom_tensor values{tile.data(), nullptr, 0, count, 1, 1, count};
    double least = 0, most = 0;
    kernels::table().reduce(&values, QLOOM_REDUCE_MIN, nullptr, &least);
    kernels::table().reduce(&values, QLOOM_REDUCE_MAX, nullptr, &most);
    const std::lock_guard lock(mutex);
    range.lo = std::min(range.lo, least);
    range.hi = std::max(range.hi, most);
  });
  return range;
}

double partial_sum_bound(const CodeRange& range, const SignedSums& sums) {
  // Positive products: (positive, hi) and (negative, lo); negative ones the other way round.
  return std::max(sums.positive * range.hi - sums.negative * range.lo,
                  sums.negative * range.hi - sums.positive * range.lo);
}

}  // namespace qloom::contraction
