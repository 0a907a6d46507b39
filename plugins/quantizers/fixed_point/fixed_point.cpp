// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Fixed point (Gupta et al., 2015): s<bits>.<fraction_bits> or u<bits>.<fraction_bits>.
#include <algorithm>
#include <cmath>

#include <qloom/grids/integer_grid.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// s = 2^-fraction_bits;  y = s * clamp(round(x / s), code_min, code_max), or the low bits of
/// round(x / s) where it wraps.
///
/// x / s is exact: s is a power of two. Codes are exact; above 24 bits y is the float32 nearest to
/// s * code. Needs no range and no data; granularity has no meaning.
/// backward:  dx = dy where the rounded code was neither clipped nor wrapped, else 0; ste identity:
///            dx = dy
/// encoding:  affine, scale s, zero point 0
class FixedPoint : public IntegerGrid {
 public:
  static constexpr std::uint32_t kCaps = QLOOM_QUANTIZER_USES_ROUNDING;
  static bool accepts(const Params& params) { return params.is_number("/fraction_bits"); }

  explicit FixedPoint(const Params& params) : is_clipped_(params.text("/ste") == "clipped") {
    const bool is_symmetric = params.flag("/signed") && params.flag("/narrow_range");
    constexpr std::int64_t kFloatBits = 24;  // float32 holds these codes and x / s
    set_integer_codes(params.integer("/bits"), params.flag("/signed"), is_symmetric,
                      params.text("/overflow") == "wrap", kFloatBits);
    if (least_ >= most_) {
      throw Error(QLOOM_E_INVALID, "/bits: 1 signed symmetric bit has one code, expected 2 bits");
    }
    if (accepts(params)) fraction_bits_ = static_cast<int>(params.integer("/fraction_bits"));
  }

  void prepare(const qloom_prepare& in) {
    resize(in.x.groups);
    for (std::size_t g = 0; g < in.x.groups; ++g) place(g, fraction_bits_);
  }

  qloom_status backward(const qloom_call& call, const qloom_block& block, const float* x,
                        const float* dy, float* dx, double*) const noexcept {
    if (is_clipped_) return masked_backward(call, block, x, dy, dx);
    pass_through(dy, dx, block.n);
    return QLOOM_OK;
  }

 protected:
  void place(std::size_t group, int fraction_bits) noexcept {
    set(group, std::ldexp(1.0F, -fraction_bits), std::ldexp(1.0F, fraction_bits));
  }

 private:
  bool is_clipped_;
  int fraction_bits_ = 0;
};

/// fraction_bits "auto", dynamic fixed point: the most fraction bits with which the group's range
/// does not saturate, f = -ceil(log2(max(hi / code_max, lo / code_min))); 0 for an all-zero range.
///
/// errors:    QLOOM_E_NUMERIC for unsigned codes where no range holds a positive value but some
///            hold negative ones: all would become 0
class DynamicFixedPoint : public FixedPoint {
 public:
  static constexpr std::uint32_t kCaps =
      QLOOM_QUANTIZER_WANTS_RANGE | QLOOM_QUANTIZER_USES_ROUNDING;
  static bool accepts(const Params& params) { return !FixedPoint::accepts(params); }

  using FixedPoint::FixedPoint;

  void context(qloom_range_context& out) const {
    out.bits = bits_;
    out.is_signed = is_signed_ ? 1 : 0;
    out.levels = levels();
    out.symmetric = is_signed_ ? 1 : 0;
  }

  void prepare(const qloom_prepare& in) {
    if (!is_signed_) require_positive(in.ranges, in.x.groups);
    resize(in.x.groups);
    for (std::size_t g = 0; g < in.x.groups; ++g) {
      double step = std::max(in.ranges[g].hi, 0.0) / static_cast<double>(most_);
      if (is_signed_) step = std::max(step, in.ranges[g].lo / static_cast<double>(least_));
      place(g, step > 0 ? std::clamp(-ceil_log2(step), -126, 126) : 0);
    }
  }

 private:
  static void require_positive(const qloom_range* ranges, std::uint64_t groups) {
    const auto* lowest = ranges;
    for (const auto* r = ranges; r < ranges + groups; ++r) {
      if (r->hi > 0) return;
      if (r->lo < lowest->lo) lowest = r;
    }
    if (groups == 0 || !(lowest->lo < 0)) return;
    throw Error(
        QLOOM_E_NUMERIC,
        concat("the range of group ", lowest - ranges, " is [", lowest->lo, ", ", lowest->hi,
               "] and no other reaches above 0, expected \"signed\": true: unsigned codes "
               "would make every value 0"));
  }
};

}  // namespace

QLOOM_METHODS(QuantizerVariants<FixedPoint, DynamicFixedPoint>)
