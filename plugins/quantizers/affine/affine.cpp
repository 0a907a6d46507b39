// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The affine (uniform, integer-coded) quantizer with the scale and zero point arithmetic of
// PyTorch's observers, in float32.
#include <algorithm>
#include <cmath>
#include <limits>

#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// With the codes qmin .. qmax and a group's range, extended to hold 0:
///   asymmetric:  s = (hi - lo) / (qmax - qmin);  z = clamp(qmin - round(lo / s), qmin, qmax)
///   symmetric:   s = max(-lo, hi) / ((qmax - qmin) / 2);  z = 0, or the middle of unsigned codes
///   1 bit:       symmetric codes {-1, 0} would send every x to 0; instead the codes 0, 1 stand
///                for -max and max, y = -max + 2 max * code (the encoding has an offset)
///   exact_zero false: the range as it is, y = lo + s * (code - qmin) (GEMMLOWP)
/// s is at least scale_min (where that is 0: 1.1920929e-07 for an all-zero range) and, on request,
/// the next power of two above; round is nearest, ties to even.
///   y = s * (clamp(round(x * (1 / s)) + z, qmin, qmax) - z)
///
/// backward:  dx = dy where the rounded code was not clipped, else 0; ste identity: dx = dy
/// encoding:  affine, one scale and zero point per group
/// errors:    a range that is not finite, wider than float32 holds, or with low above high
class Affine : public UniformGrid {
 public:
  static constexpr std::uint32_t kCaps =
      QLOOM_QUANTIZER_WANTS_RANGE | QLOOM_QUANTIZER_USES_ROUNDING;

  explicit Affine(const Params& params)
      : width_(params.integer("/bits")),
        is_symmetric_(params.flag("/symmetric")),
        is_narrow_(params.flag("/narrow_range")),
        has_exact_zero_(params.flag("/exact_zero")),
        is_power_of_two_(params.text("/scale") == "power_of_two"),
        is_clipped_(params.text("/ste") == "clipped"),
        scale_min_(static_cast<float>(params.number("/scale_min"))) {
    const bool is_given = params.is_flag("/signed");
    follows_range_ = !is_given && params.text("/signed") == "auto";
    has_negative_codes_ = is_given ? params.flag("/signed") : is_symmetric_;
    if (width_ == 1 && is_narrow_) {
      throw Error(QLOOM_E_INVALID, "/narrow_range: true leaves one code of 1 bit, expected false");
    }
    if (is_symmetric_ && !has_exact_zero_) {
      throw Error(QLOOM_E_INVALID, "/exact_zero: false, expected true with symmetric true");
    }
    choose_codes(false);
  }

  void context(qloom_range_context& out) const {
    out.bits = bits_;
    out.is_signed = is_signed_ ? 1 : 0;
    out.levels = static_cast<std::uint64_t>(max_ - min_) + 1;
    out.symmetric = is_symmetric_ ? 1 : 0;
  }

  void prepare(const qloom_prepare& in) {
    const std::size_t groups = in.x.groups;
    for (std::size_t g = 0; g < groups; ++g) check(in.ranges[g], g);
    if (follows_range_) {
      choose_codes(std::all_of(in.ranges, in.ranges + groups, [](auto r) { return r.lo >= 0; }));
    }
    resize(groups);
    for (std::size_t g = 0; g < groups; ++g) {
      fill(g, static_cast<float>(in.ranges[g].lo), static_cast<float>(in.ranges[g].hi));
    }
  }

  qloom_status backward(const qloom_call& call, const qloom_block& block, const float* x,
                        const float* dy, float* dx, double*) const noexcept {
    if (is_clipped_) return masked_backward(call, block, x, dy, dx);
    pass_through(dy, dx, block.n);
    return QLOOM_OK;
  }

 private:
  static void check(const qloom_range& range, std::size_t group) {
    const float width = static_cast<float>(range.hi) - static_cast<float>(range.lo);
    if (!std::isfinite(width) || range.lo > range.hi) {
      throw Error(QLOOM_E_NUMERIC,
                  concat("the range of group ", group, " is [", range.lo, ", ", range.hi,
                         "], expected low <= high and a width that float32 holds"));
    }
  }

  /// The codes; with signed "auto" they depend on whether the data have negative values.
  void choose_codes(bool is_non_negative) {
    is_folded_ = follows_range_ && is_symmetric_ && is_non_negative;
    is_binary_ = width_ == 1 && is_symmetric_ && !is_folded_;
    set_codes(width_, has_negative_codes_ && !is_folded_ && !is_binary_, is_narrow_);
  }

  void fill(std::size_t group, float lo, float hi) {
    if (!has_exact_zero_) {
      place(group, hi - lo, max_ - min_, min_);
      set_offset(group, lo);
      return;
    }
    lo = std::min(lo, 0.0F);
    hi = std::max(hi, 0.0F);
    const float largest = std::max(-lo, hi);
    if (is_binary_) {
      place(group, largest, 0.5F, 0.0F);
      set_offset(group, largest > 0.0F ? -0.5F * scale_[group] : 0.0F);
    } else if (is_folded_) {
      place(group, hi, max_ - min_, min_);
    } else if (is_symmetric_) {
      place(group, largest, (max_ - min_) / 2.0F, middle());
    } else {
      place(group, hi - lo, max_ - min_, 0.0F);
      zero_point_[group] = std::clamp(min_ - std::nearbyint(lo / scale_[group]), min_, max_);
    }
  }

  /// The grid with step span / steps.
  void place(std::size_t group, float span, float steps, float zero_point) noexcept {
    // Below 2^-126 the reciprocal would not be finite.
    const float least = scale_min_ > 0.0F ? scale_min_ : span > 0.0F ? 0x1p-126F : kZeroStep;
    float step = std::clamp(span / steps, least, std::numeric_limits<float>::max());
    if (is_power_of_two_) step = std::ldexp(1.0F, std::min(ceil_log2(step), kTopExponent));
    set(group, step, 1.0F / step, zero_point);
  }

  /// The code that stands for 0 on a symmetric grid: as PyTorch, 128 of 256 codes, otherwise the
  /// middle of the unsigned codes, rounded down.
  [[nodiscard]] float middle() const noexcept {
    if (is_signed_) return 0.0F;
    return width_ == 8 ? 128.0F : std::floor((min_ + max_) / 2.0F);
  }

  static constexpr float kZeroStep = 1.1920929e-07F;  // float32 epsilon, as in PyTorch
  static constexpr int kTopExponent = 126;  // the reciprocal is a normal float32

  std::int64_t width_;
  bool is_symmetric_, is_narrow_, has_exact_zero_, is_power_of_two_, is_clipped_;
  bool follows_range_ = false, has_negative_codes_ = false;
  bool is_folded_ = false;  // symmetric, but the data and the codes are non-negative
  bool is_binary_ = false;  // symmetric with 1 bit
  float scale_min_;
};

}  // namespace

QLOOM_METHODS(Quantizer<Affine>)
