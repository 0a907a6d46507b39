// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The affine (uniform, integer-coded) quantizer with the scale and zero point arithmetic of
// PyTorch's observers, in float32.
#include <algorithm>
#include <cmath>

#include <qloom/grids/aciq.hpp>
#include <qloom/grids/integer_grid.hpp>
#include <qloom/grids/weight_repair.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// The grid of a group's range is AffineRule::grid(). Of one bit, symmetric codes {-1, 0} would
/// send every x to 0; instead the codes 0, 1 stand for -max and max, y = -max + 2 max * code.
/// exact_zero false is GEMMLOWP's grid.
///   y = s * (clamp(round(x * (1 / s)) + z, qmin, qmax) - z), or with the code's low bits
///
/// With bit_allocation each group has codes of its own width, 0 bits being the one value 0, or lo
/// without an exact zero.
/// Above 16 bits x / s is divided in double, so that codes are exact to the last bit.
/// backward:  dx = dy where the rounded code was neither clipped nor wrapped, else 0; ste identity:
///            dx = dy
/// encoding:  affine, one scale and zero point per group, and a width where they are allocated
/// errors:    a range that is not finite, wider than float32 holds, or with low above high
class Affine : public IntegerGrid {
 public:
  static constexpr std::uint32_t kCaps =
      QLOOM_QUANTIZER_WANTS_RANGE | QLOOM_QUANTIZER_USES_ROUNDING;

  static bool accepts(const Params& params) { return params.text("/repair") == "none"; }
  explicit Affine(const Params& params)
      : is_symmetric_(params.flag("/symmetric")),
        is_narrow_(params.flag("/narrow_range")),
        is_clipped_(params.text("/ste") == "clipped"),
        wraps_(params.text("/overflow") == "wrap"),
        allocation_(params) {
    rule_.bits = params.integer("/bits");
    rule_.has_exact_zero = params.flag("/exact_zero");
    rule_.is_power_of_two = params.text("/scale") == "power_of_two";
    rule_.scale_min = static_cast<float>(params.number("/minimum"));
    const bool is_given = params.is_flag("/signed");
    follows_range_ = !is_given && is_symmetric_ && params.text("/signed") == "auto";
    has_negative_codes_ = is_given ? params.flag("/signed") : is_symmetric_;
    if (rule_.bits == 1 && is_narrow_) {
      throw Error(QLOOM_E_INVALID, "/narrow_range: true leaves one code of 1 bit, expected false");
    }
    if (is_symmetric_ && !rule_.has_exact_zero) {
      throw Error(QLOOM_E_INVALID, "/exact_zero: false, expected true with symmetric true");
    }
    if (allocation_.is_on()) check_allocation();
    choose_codes(true);  // refuses what the data could ask for
    choose_codes(false);
  }

  /// With signed "auto" the data decide later; after a ReLU it is known. A grid folded to one side
  /// is that of the range from 0 with unsigned codes, not symmetric about 0.
  void context(qloom_range_context& out) const {
    const bool is_folded = follows_range_ && out.after_relu != 0;
    out.bits = static_cast<std::uint32_t>(rule_.bits);
    out.is_signed = has_negative_codes_ && !is_folded && !is_binary() ? 1 : 0;
    out.levels = levels();
    out.symmetric = is_symmetric_ && !is_folded ? 1 : 0;
  }

  void prepare(const qloom_prepare& in) {
    const std::size_t groups = in.x.groups;
    for (std::size_t g = 0; g < groups; ++g) check(in.ranges[g], g);
    if (follows_range_) {
      choose_codes(std::all_of(in.ranges, in.ranges + groups, [](auto r) { return r.lo >= 0; }));
    }
    resize(groups);
    if (allocation_.is_on()) allocate(in.ranges, groups);
    const bool has_offset = !rule_.has_exact_zero || has_binary_group();
    for (std::size_t g = 0; g < groups; ++g) {
      const GroupGrid grid = grid_of(in.ranges[g], g);
      if (has_offset) {
        set(g, grid);
      } else {
        store(g, grid);
      }
    }
    if (!has_offset) offset_.clear();
  }

  qloom_status backward(const qloom_call& call, const qloom_block& block, const float* x,
                        const float* dy, float* dx, double*) const noexcept {
    if (is_clipped_) return masked_backward(call, block, x, dy, dx);
    pass_through(dy, dx, block.n);
    return QLOOM_OK;
  }

 private:
  void check(const qloom_range& range, std::size_t group) const {
    const float lo = static_cast<float>(range.lo), hi = static_cast<float>(range.hi);
    // The two levels of a binary grid are twice the largest magnitude apart.
    const float width = is_binary() ? 2.0F * std::max(-lo, hi) : hi - lo;
    if (!std::isfinite(hi - lo) || !std::isfinite(width) || range.lo > range.hi) {
      throw Error(QLOOM_E_NUMERIC, concat("the range of group ", group, " is [", range.lo, ", ",
                                          range.hi, "], expected low <= high and a ",
                                          is_binary() ? "grid" : "width", " that float32 holds"));
    }
  }

  [[nodiscard]] bool is_binary() const noexcept { return rule_.bits == 1 && is_symmetric_; }

  void check_allocation() const {
    if (rule_.bits > aciq::BitAllocation::kMostBits) {
      throw Error(QLOOM_E_INVALID,
                  concat("/bits: ", rule_.bits, ", expected ", aciq::BitAllocation::kMostBits,
                         " or fewer with bit_allocation aciq, which gives no group more"));
    }
    if (wraps_) {
      throw Error(QLOOM_E_INVALID,
                  "/overflow: wrap, expected saturate with bit_allocation aciq: groups have "
                  "different codes");
    }
  }
  void allocate(const qloom_range* ranges, std::size_t groups) {
    std::vector<double> spans;
    for (std::size_t g = 0; g < groups; ++g) spans.push_back(rule_.span(ranges[g]));
    widths_ = allocation_.widths(spans, rule_.bits);
  }
  [[nodiscard]] GroupGrid grid_of(const qloom_range& range, std::size_t group) const {
    if (widths_.empty()) return rule_.grid(range);
    const auto width = static_cast<std::int64_t>(widths_[group]);
    const qloom_range own = allocation_.scaled(range, rule_.bits, width, rule_.is_symmetric);
    check(own, group);
    return rule_.of_width(width).grid(own);
  }
  /// Two levels about 0 have an offset.
  [[nodiscard]] bool has_binary_group() const noexcept {
    if (widths_.empty()) return rule_.is_binary();
    return rule_.is_symmetric && std::find(widths_.begin(), widths_.end(), 1.0F) != widths_.end();
  }

  /// The codes; with signed "auto" they depend on whether the data have negative values.
  void choose_codes(bool is_non_negative) {
    const bool is_folded = follows_range_ && is_non_negative;
    rule_.is_symmetric = is_symmetric_ && !is_folded;
    constexpr std::int64_t kFloatBits = 16;  // x * (1 / s) in float32 is off by 2^-7 steps at most
    set_integer_codes(rule_.bits, has_negative_codes_ && !is_folded && !rule_.is_binary(),
                      is_narrow_, wraps_, kFloatBits);
    rule_.is_signed = is_signed_;
    rule_.code_min = min_;
    rule_.code_max = max_;
  }

  AffineRule rule_;
  bool is_symmetric_, is_narrow_, is_clipped_, wraps_;
  aciq::BitAllocation allocation_;
  bool follows_range_ = false;  // symmetric; signed or not as the data are
  bool has_negative_codes_ = false;
};

}  // namespace

QLOOM_METHODS(QuantizerVariants<Affine, Repaired<Affine>>)
