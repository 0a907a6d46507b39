// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// How large codes are cut into digits so that float32 sums of their products stay exact, or into
// bytes for processors whose byte products are exact; and how large sums of products can become.
#pragma once

#include <bit>
#include <cstdint>
#include <optional>

#include "host/contraction/contraction.hpp"
#include "host/kernels/vectorized.hpp"

namespace qloom::contraction {

/// Every integer of at most this magnitude is a float32, so a sum whose partial sums stay within
/// it is exact in any order.
inline constexpr double kFloatExact = 16777216;  // 2^24

/// The operand has codes, and they can be multiplied exactly.
[[nodiscard]] inline bool is_coded(const Operand& operand) {
  return operand.codes && operand.largest_code() <= kLargestCode;
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

/// Digit `index` of each code.
///
/// shape:   out is (n)
/// range:   |code| <= kLargestCode
/// threads: pure
void load_digit(CodeView codes, Digits digits, int index, float* out, std::uint64_t n);

/// What is added to the codes, or to each of their digits, to make unsigned bytes of them; nothing
/// when they do not fit.
[[nodiscard]] std::optional<std::int32_t> unsigned_shift(const Operand& operand, Digits digits);
/// The same for signed bytes; 0 where that is possible.
[[nodiscard]] std::optional<std::int32_t> signed_shift(const Operand& operand, Digits digits);

/// Digit `index` of each code, plus shift, as a byte.
///
/// shape:   out is (n)
/// threads: pure
void load_digit_bytes(CodeView codes, Digits digits, int index, std::int32_t shift,
                      std::uint8_t* out, std::uint64_t n);

/// Sums of the positive and of the negative codes (as magnitudes) that meet in one output; the
/// largest of each over all outputs.
struct SignedSums {
  double positive = 0, negative = 0;
};
/// Over the weights of one output channel: what meets in an output of the forward role.
[[nodiscard]] SignedSums output_weight_sums(const ContractionShape& s, const Operand& w);
/// Over the weights of one input channel: what meets in an input's gradient.
[[nodiscard]] SignedSums input_weight_sums(const ContractionShape& s, const Operand& w);
/// Over the pixels of one slice of dy, per output channel; the largest over all slices.
[[nodiscard]] SignedSums error_sums(const ContractionShape& s, std::int64_t slice_samples,
                                    const Operand& dy);

/// Smallest (at most 0) and largest (at least 0) of n codes.
struct CodeRange {
  double lo = 0, hi = 0;
};
[[nodiscard]] CodeRange code_range(CodeView codes, std::uint64_t n);

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

}  // namespace qloom::contraction
