// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Uniform grids whose integer codes may have up to 32 bits and may wrap.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include <qloom/kinds/quantizer.hpp>
#include <qloom/uniform_grid.hpp>

namespace qloom::sdk {

/// A UniformGrid that saturates or, on request, keeps the low bits of a code (two's complement, or
/// modulo 2^bits without a sign). Wide codes, of more bits than `narrow_bits`, are made in double:
///   code = clamp or wrap(round((x - offset) / scale) + zero_point)
///   y = offset + float32((code - zero_point) * scale), the product in double
///
/// Saturating codes that are not wide take the host's fused loops, all others the way by codes.
/// range:     NaN gives the lowest code and infinities saturate, also where finite values wrap
/// exactness: a wide quotient is one of doubles; where it wraps, of x less whole turns. Its part
/// that is rounded is at least the quotient modulo
///            2, as a float32 that lies on the same side of every multiple of 2^-20
class IntegerGrid : public UniformGrid {
 public:
  qloom_status apply(const qloom_call& call, const qloom_block& block, const float* x,
                     float* y) const noexcept {
    if (is_fused()) return UniformGrid::apply(call, block, x, y);
    return apply_by_codes(*this, call, block, x, y);
  }
  qloom_status encode(const qloom_call& call, const qloom_block& block, const float* x,
                      std::int32_t* code) const noexcept {
    if (is_fused()) return UniformGrid::encode(call, block, x, code);
    return for_each_rounded(call, block, x, wraps_,
                            [&](std::uint64_t i, std::size_t g, double steps) {
                              code[i] = code_of(steps, g, std::isfinite(x[i]));
                            });
  }
  void decode(const qloom_block& block, const std::int32_t* code, float* y) const noexcept {
    if (!is_wide_) return UniformGrid::decode(block, code, y);
    for_each_element(block, [&](std::uint64_t i, std::size_t g) {
      const std::int64_t steps = std::int64_t{code[i]} - zero_point_[g];
      const double above = static_cast<double>(steps) * double{scale_[g]};
      y[i] = static_cast<float>(offset(g)) + static_cast<float>(above);
    });
  }
  /// Gradient where the rounded code neither saturated nor wrapped, else 0.
  qloom_status masked_backward(const qloom_call& call, const qloom_block& block, const float* x,
                               const float* dy, float* dx) const noexcept {
    if (!is_wide_) return UniformGrid::masked_backward(call, block, x, dy, dx);
    return for_each_rounded(call, block, x, false,
                            [&](std::uint64_t i, std::size_t g, double steps) {
                              const double code = steps + zero_point_[g];
                              dx[i] = code_min_[g] <= code && code <= code_max_[g] ? dy[i] : 0.0F;
                            });
  }

 protected:
  /// Of the parameters bits and overflow; above narrow_bits codes are made in double.
  /// errors: unsigned codes of 32 bits, which no int32 holds; wrapping codes without the lowest one
  void set_integer_codes(std::int64_t bits, bool is_signed, bool is_narrow, bool wraps,
                         std::int64_t narrow_bits) {
    if (bits > 31 && !is_signed) {
      throw Error(QLOOM_E_INVALID, concat("/bits: ", bits, ", expected 31 or fewer of unsigned ",
                                          "codes, or signed ones: a code is an int32"));
    }
    if (wraps && is_narrow) {
      throw Error(QLOOM_E_INVALID,
                  "/overflow: wrap, expected saturate with narrow_range true: codes wrap into all "
                  "of 2^bits");
    }
    set_codes(bits, is_signed, is_narrow);
    least_ = (is_signed ? -(std::int64_t{1} << (bits - 1)) : 0) + (is_narrow ? 1 : 0);
    most_ = (std::int64_t{1} << (is_signed ? bits - 1 : bits)) - 1;
    wraps_ = wraps;
    is_wide_ = bits > narrow_bits;
  }
  [[nodiscard]] std::uint64_t levels() const noexcept {
    return static_cast<std::uint64_t>(most_ - least_) + 1;
  }
  void store(std::size_t group, const GroupGrid& one) noexcept {
    UniformGrid::store(group, one);
    if (is_wide_) widen(group, one.zero_point);
  }
  void set(std::size_t group, const GroupGrid& one) {
    UniformGrid::set(group, one);
    if (is_wide_) widen(group, one.zero_point);
  }
  void set(std::size_t group, float scale, float inv_scale) noexcept {
    UniformGrid::set(group, scale, inv_scale);
    if (is_wide_) widen(group, 0.0F);
  }

  std::int64_t least_ = -128, most_ = 127;  // codes

 private:
  [[nodiscard]] bool is_fused() const noexcept { return !is_wide_ && !wraps_; }
  [[nodiscard]] double offset(std::size_t group) const noexcept {
    return offset_.empty() ? 0.0 : double{offset_[group]};
  }
  /// The integers that a GroupGrid's floats stand for; codes that stand for no float32 left out.
  void widen(std::size_t group, float zero_point) noexcept {
    const double least = static_cast<double>(least_), most = static_cast<double>(most_);
    const double zero = std::clamp(double{zero_point}, least, most);
    const double top = std::numeric_limits<float>::max(), scale = scale_[group];
    zero_point_[group] = static_cast<std::int32_t>(zero);
    code_max_[group] =
        static_cast<std::int32_t>(std::min(most, zero + std::floor((top - offset(group)) / scale)));
    code_min_[group] = static_cast<std::int32_t>(
        std::max(least, zero - std::floor((top + offset(group)) / scale)));
  }
  /// body(i, group) for the elements of a block, i from its first one.
  template <class Body>
  static void for_each_element(const qloom_block& block, Body body) noexcept {
    for_each_span(
        block, [&](std::uint64_t begin, std::uint64_t count, std::uint64_t group, bool is_columns) {
          for (std::uint64_t k = 0; k < count; ++k) body(begin + k, group + (is_columns ? k : 0));
        });
  }
  /// body(i, group, rounded (x[i] - offset) / scale), the zero point not added; wide steps may be
  /// short of whole turns of 2^32 codes.
  template <class Body>
  qloom_status for_each_rounded(const qloom_call& call, const qloom_block& block, const float* x,
                                bool drops_turns, Body body) const noexcept {
    return for_each_piece(block, [&](const qloom_block& piece, std::uint64_t at) {
      std::array<float, kPieceElements> part, rounded;
      std::array<double, kPieceElements> rest;
      for_each_element(piece, [&](std::uint64_t i, std::size_t g) {
        rest[i] = 0.0;
        if (is_wide_) {
          part[i] = split(wide_steps(x[at + i], g, drops_turns), rest[i]);
        } else {
          part[i] = (x[at + i] - static_cast<float>(offset(g))) * inv_scale_[g];
        }
      });
      const qloom_status status =
          kernels().round(&call, piece.first, part.data(), rounded.data(), piece.n);
      if (status != QLOOM_OK) return status;
      for_each_element(piece, [&](std::uint64_t i, std::size_t g) {
        body(at + i, g, rest[i] + double{rounded[i]});
      });
      return status;
    });
  }
  [[nodiscard]] double wide_steps(float x, std::size_t group, bool drops_turns) const noexcept {
    const double scale = scale_[group], above = double{x} - offset(group), steps = above / scale;
    if (!drops_turns || std::fabs(steps) < kTurn) return steps;
    return std::isfinite(x) ? std::fmod(above, scale * kTurn) / scale : steps;  // exact remainder
  }
  /// steps = rest + part with an even rest: a part below 4 that rounds as all of it, whatever the
  /// rule, since sign, parity and fraction are the same.
  [[nodiscard]] static float split(double steps, double& rest) noexcept {
    if (!(std::fabs(steps) < 0x1p52)) {
      rest = steps;  // a whole number already, or none
      return 0.0F;
    }
    if (std::fabs(steps) >= 4.0) rest = 2.0 * std::trunc(steps / 2.0) - std::copysign(2.0, steps);
    const double part = steps - rest;
    auto near = static_cast<float>(part);
    if (double{near} == part) return near;
    if (std::fabs(double{near}) > std::fabs(part)) near = std::nextafter(near, 0.0F);
    return std::bit_cast<float>(std::bit_cast<std::uint32_t>(near) | 1U);  // never a tie or whole
  }
  [[nodiscard]] std::int32_t code_of(double steps, std::size_t group,
                                     bool is_finite) const noexcept {
    double code = steps + zero_point_[group];
    if (wraps_ && is_finite) {
      constexpr double kWhole = 0x1p62;  // narrow steps this large are multiples of 2^bits
      const auto whole = std::fabs(steps) < kWhole ? static_cast<std::int64_t>(steps) : 0;
      const std::int64_t above = whole + zero_point_[group] - least_;
      code = static_cast<double>((above & (most_ - least_)) + least_);
    }
    const double least = code_min_[group], most = code_max_[group];
    const double low = code > least ? code : least;  // NaN: the lowest
    return static_cast<std::int32_t>(low < most ? low : most);
  }

  static constexpr double kTurn = 0x1p32;  // a multiple of 2^bits

  bool wraps_ = false, is_wide_ = false;
};

}  // namespace qloom::sdk
