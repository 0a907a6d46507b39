// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// ref::round_sum for a row of sums, in two halves: a rounding method is called between them. The
// rows are buffers with room for whole batches; what lies in them past n is 0 or NaN.
#pragma once

#include "host/kernels/core.hpp"
#include "host/kernels/simd/round.hpp"

namespace qloom::kernels::simd {

/// sum[j] = s[j] + a * b[j], the product in float32.
template <class Arch>
void add_products(float a, const float* b, const double* s, double* sum, std::uint64_t n) noexcept {
  using D = Doubles<Arch>;
  const Floats<Arch> left(a);
  each_batch<Arch>(n, [&](const auto& io, std::uint64_t j) {
    const Widened<Arch> product = widen<Arch>(left * io.load(b + j));
    (D::load_aligned(s + j) + product.low).store_aligned(sum + j);
    const std::uint64_t rest = j + D::size;
    (D::load_aligned(s + rest) + product.high).store_aligned(sum + rest);
  });
}

/// Sums in grid steps of a format, split as ref::split_steps does.
template <class Arch>
class SumSteps {
 public:
  using D = Doubles<Arch>;
  using Bits = xsimd::batch<std::int64_t, Arch>;
  using Integer = Integral<D>;

  explicit SumSteps(const FloatSpec& spec) noexcept
      : smallest_(__builtin_ldexp(1.0, spec.exponent_min)),
        per_step_(__builtin_ldexp(1.0, spec.mantissa_bits)),
        step_(__builtin_ldexp(1.0, -spec.mantissa_bits)),
        flush_below_(static_cast<double>(spec.flush_below)),
        max_value_(static_cast<double>(spec.max_value)),
        plain_(static_cast<double>(spec.overflow_value)),
        plain_sign_(spec.overflow_signed != 0 ? -0.0 : 0.0),
        above_(spec.keep_positive != 0 ? max_value_ : plain_),
        below_(spec.keep_negative != 0 ? -max_value_ : plain_ | plain_sign_),
        keep_zero_sign_(spec.unsigned_zero != 0 ? 0.0 : -0.0) {}

  /// What the rounding method gets; 0 for sums that are not finite.
  D part(const D& sum) const noexcept {
    const D t = steps(sum), magnitude = xsimd::abs(t);
    const D scaled = (magnitude - even(magnitude)) * D(0x1p23);
    const D cut = Integer::down(scaled);
    const D low_bit = cut - D(2.0) * Integer::down(cut * D(0.5));
    const D kept = xsimd::select((cut != scaled) && (low_bit == D(0.0)), cut + D(1.0), cut);
    return xsimd::select(is_finite(sum), (kept * D(0x1p-23)) | (t & D(-0.0)), D(0.0));
  }
  /// The value, with what the method made of the part.
  D value(const D& sum, const D& rounded, D& overflows) const noexcept {
    const D t = steps(sum), whole = even(xsimd::abs(t));
    const D total = xsimd::select(whole == D(0.0), rounded, (whole | (t & D(-0.0))) + rounded);
    const D y = total * (power(sum) * step_);
    const auto over = (xsimd::abs(y) > max_value_) && is_finite(sum);
    overflows = overflows + xsimd::select(over, D(1.0), D(0.0));
    const D limit = xsimd::select(y < D(0.0), below_, above_);
    return xsimd::select(is_finite(sum), xsimd::select(over, limit, y + keep_zero_sign_), sum);
  }

 private:
  static auto is_finite(const D& sum) noexcept { return xsimd::abs(sum) < D(__builtin_inf()); }
  static D even(const D& magnitude) noexcept { return D(2.0) * Integer::down(magnitude * D(0.5)); }
  D flushed(const D& sum) const noexcept {
    return xsimd::select(xsimd::abs(sum) < flush_below_, sum & D(-0.0), sum);
  }
  /// 2^E by its exponent field.
  Bits field(const D& sum) const noexcept {
    return bits_as<Bits>(greater(xsimd::abs(flushed(sum)), smallest_)) & Bits(0x7FF0000000000000);
  }
  D power(const D& sum) const noexcept { return bits_as<D>(field(sum)); }
  D steps(const D& sum) const noexcept {
    const D inverse = bits_as<D>(Bits(0x7FE0000000000000) - field(sum));
    return flushed(sum) * (inverse * per_step_);
  }

  D smallest_, per_step_, step_, flush_below_, max_value_, plain_, plain_sign_;
  D above_, below_;  // what sums beyond the largest value become
  D keep_zero_sign_;
};

template <class Arch>
void split_sums(const FloatSpec& spec, const double* sum, float* part, std::uint64_t n) noexcept {
  using D = Doubles<Arch>;
  const SumSteps<Arch> steps(spec);
  for (std::uint64_t j = 0; j < n; j += kWidth<Arch>) {
    const D low = D::load_aligned(sum + j), high = D::load_aligned(sum + j + D::size);
    narrow<Arch>(steps.part(low), steps.part(high)).store_aligned(part + j);
  }
}

/// Returns overflows.
template <class Arch>
std::uint64_t join_sums(const FloatSpec& spec, const double* sum, const float* rounded, double* out,
                        std::uint64_t n) noexcept {
  using D = Doubles<Arch>;
  const SumSteps<Arch> steps(spec);
  D count(0.0);
  for (std::uint64_t j = 0; j < n; j += kWidth<Arch>) {
    const Widened<Arch> r = widen<Arch>(Floats<Arch>::load_aligned(rounded + j));
    const std::uint64_t rest = j + D::size;
    steps.value(D::load_aligned(sum + j), r.low, count).store_aligned(out + j);
    steps.value(D::load_aligned(sum + rest), r.high, count).store_aligned(out + rest);
  }
  alignas(64) double lanes[D::size];
  count.store_aligned(lanes);
  std::uint64_t overflows = 0;
  for (const double lane : lanes) overflows += static_cast<std::uint64_t>(lane);
  return overflows;
}

}  // namespace qloom::kernels::simd
