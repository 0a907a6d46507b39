// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Integer codes inside float32 values, and how large codes are cut into digits so that float32
// sums of their products stay exact.
#pragma once

#include <bit>
#include <cstdint>

#include "host/contraction/contraction.hpp"
#include "host/kernels/vectorized.hpp"

namespace qloom::network {

/// Largest |code| that float32 arithmetic recovers from code * scale: the product and the quotient
/// are each off by at most 2^-24 of the code, together by less than half a step.
inline constexpr double kLargestCode = 4194304;  // 2^22

/// Every integer of at most this magnitude is a float32, so a sum whose partial sums stay within
/// it is exact in any order.
inline constexpr double kFloatExact = 16777216;  // 2^24

/// The operand's codes can be recovered and multiplied exactly.
[[nodiscard]] inline bool is_coded(const Operand& operand) {
  return operand.scale_count > 0 && operand.scale != nullptr &&
         operand.largest_code() <= kLargestCode;
}

/// code = sum over i < count of digit[i] * 2^(i * bits), |digit| <= 2^(bits - 1) for all but the
/// only one.
struct Digits {
  int count = 1, bits = 0;
};

/// Digits of both factors of a product.
struct Passes {
  Digits left, right;
  [[nodiscard]] bool is_single() const { return left.count == 1 && right.count == 1; }
};

/// The fewest passes in which sums of k products stay within kFloatExact. `single_bound` bounds
/// the partial sums of undivided codes (at most k * max_left * max_right). RunError when no number
/// of digits is enough.
[[nodiscard]] Passes choose_passes(double k, double max_left, double max_right,
                                   double single_bound);

/// Digit `index` of the codes nearbyint(values / scale); scale 0 gives 0.
///
/// shape:   values and out are (n)
/// range:   |code| <= kLargestCode
/// threads: pure
void extract_digit(const float* values, float scale, Digits digits, int index, float* out,
                   std::uint64_t n);
/// The same on all threads, for an operand with `rows` rows of `pitch` values; a scale per row
/// when scale_count is not 1.
void extract_digits(const Operand& operand, std::int64_t rows, std::int64_t pitch, Digits digits,
                    int index, float* out);

/// True when values with this scale can stand for their codes in a float32 sum: a power of two of
/// moderate size changes no rounding.
[[nodiscard]] bool is_plain_unit(float scale);

/// Sums of the positive and of the negative codes (as magnitudes) that meet in one output; the
/// largest of each over all outputs.
struct SignedSums {
  double positive = 0, negative = 0;
};
/// Over the weights of one output channel: what meets in an output of the forward role.
[[nodiscard]] SignedSums output_weight_sums(const ContractionShape& s, const Operand& w);
/// Over the weights of one input channel: what meets in an input's gradient. One scale only.
[[nodiscard]] SignedSums input_weight_sums(const ContractionShape& s, const Operand& w);
/// Over the pixels of one slice of dy, per output channel; the largest over all slices.
[[nodiscard]] SignedSums error_sums(const ContractionShape& s, std::int64_t slice_samples,
                                    const Operand& dy);

/// Smallest (at most 0) and largest (at least 0) code of an operand with one scale.
struct CodeRange {
  double lo = 0, hi = 0;
};
[[nodiscard]] CodeRange code_range(const Operand& operand, std::uint64_t n);

/// Largest magnitude of any partial sum of products of codes in `range` with codes of these sums.
[[nodiscard]] double partial_sum_bound(const CodeRange& range, const SignedSums& sums);

/// Integer sums as float32 numbers, |sum| <= 2^24.
struct FloatSums {
  const float* sums;
  double operator[](std::uint64_t i) const { return double{sums[i]}; }
  [[nodiscard]] FloatSums from(std::uint64_t i) const { return {sums + i}; }
};

/// 32-bit integer sums in memory of float32 numbers.
struct IntegerSums {
  const float* sums;
  double operator[](std::uint64_t i) const {
    return static_cast<double>(std::bit_cast<std::int32_t>(sums[i]));
  }
  [[nodiscard]] IntegerSums from(std::uint64_t i) const { return {sums + i}; }
};

/// sum += pass * 2^shift, or sum = ... for the first pass. |pass| < 2^31.
template <class Sums>
void add_pass(Sums pass, int shift, bool is_first, std::int64_t* sum, std::uint64_t n) {
  const std::int64_t factor = std::int64_t{1} << shift;
  kernels::vectorized([=] {
    QLOOM_INDEPENDENT_STEPS
    for (std::uint64_t i = 0; i < n; ++i) {
      const std::int64_t term = std::int64_t{static_cast<std::int32_t>(pass[i])} * factor;
      sum[i] = (is_first ? 0 : sum[i]) + term;
    }
  });
}

}  // namespace qloom::network
