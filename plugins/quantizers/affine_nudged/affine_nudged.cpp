// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Affine codes with a nudged range (Jacob et al., 2018): the real number 0 is a code exactly.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include <qloom/learned_values.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// The grid of a range [lo, hi], extended to hold 0, of the codes qmin .. 2^bits - 1:
///   s = (hi - lo) / (qmax - qmin);  z = clamp(qmin - lo / s, qmin, qmax), ties away from 0
/// backward:  dx = dy from (qmin - z) s to (qmax - z) s, else 0
class Nudged : public UniformGrid {
 public:
  static constexpr std::uint32_t kCaps =
      QLOOM_QUANTIZER_WANTS_RANGE | QLOOM_QUANTIZER_USES_ROUNDING;
  static bool accepts(const Params& params) { return !params.flag("/learns_range"); }

  explicit Nudged(const Params& params) {
    const std::int64_t bits = params.integer("/bits");
    set_codes(bits, params.flag("/narrow_range") ? 1.0 : 0.0, std::ldexp(1.0, int(bits)) - 1.0);
    rule_.bits = bits;
    rule_.code_min = min_;
    rule_.code_max = max_;
  }
  void context(qloom_range_context& out) const {
    out.bits = bits_;
    out.is_signed = 0;
    out.levels = static_cast<std::uint64_t>(max_ - min_) + 1;
    out.symmetric = 0;
  }
  void prepare(const qloom_prepare& in) {
    resize(in.x.groups);
    low_.resize(in.x.groups);
    high_.resize(in.x.groups);
    for (std::size_t g = 0; g < low_.size(); ++g) nudge(g, in.ranges[g]);
  }
  void backward(const qloom_call&, const qloom_block& block, const float* x, const float* dy,
                float* dx, double*) const noexcept {
    kernels().clip_backward(low_.data(), high_.data(), &block, x, dy, dx);
  }

 protected:
  void nudge(std::size_t group, qloom_range range) {
    const auto lo = static_cast<float>(range.lo), hi = static_cast<float>(range.hi);
    if (!std::isfinite(lo) || !std::isfinite(hi)) {
      throw Error(QLOOM_E_NUMERIC, concat("the range of group ", group, " is [", range.lo, ", ",
                                          range.hi, "], expected finite ends"));
    }
    GroupGrid grid = rule_.grid(range);
    const float zero = min_ - std::min(lo, 0.0F) / grid.scale;
    set(group, grid.scale, grid.inv_scale, std::clamp(std::round(zero), min_, max_));
    const float z = static_cast<float>(zero_point_[group]);
    low_[group] = (static_cast<float>(code_min_[group]) - z) * scale_[group];
    high_[group] = (static_cast<float>(code_max_[group]) - z) * scale_[group];
  }

  AffineRule rule_;
  std::vector<float> low_, high_;  // ends of the nudged range per group
};

/// The ends of the range are trained: d lo = sum of dy below the nudged range, d hi above it.
/// state:     lo, hi: one value per group, from the first tensor
class LearnedNudged : public Nudged, public LearnedValues<2> {
 public:
  static constexpr std::uint32_t kCaps =
      QLOOM_QUANTIZER_WANTS_FIRST_TENSOR | QLOOM_QUANTIZER_USES_ROUNDING;
  static constexpr std::uint64_t kSumsPerGroup = 2;
  static bool accepts(const Params& params) { return params.flag("/learns_range"); }

  explicit LearnedNudged(const Params& params)
      : Nudged(params), LearnedValues({"lo", "hi"}, params.number("/rate_factor")) {}

  void prepare(const qloom_prepare& in) {
    if (is_first_tensor()) {
      require_first_tensor(in.x);
      const auto lowest = reduce(in.x, QLOOM_REDUCE_MIN), highest = reduce(in.x, QLOOM_REDUCE_MAX);
      for (std::size_t g = 0; g < in.x.groups; ++g) {
        learned_[0].push_back(static_cast<float>(std::min(lowest[g], 0.0)));
        learned_[1].push_back(static_cast<float>(std::max(highest[g], 0.0)));
      }
    }
    require_groups(in.x);
    resize(in.x.groups);
    low_.resize(in.x.groups);
    high_.resize(in.x.groups);
    for (std::size_t g = 0; g < low_.size(); ++g) nudge(g, {learned_[0][g], learned_[1][g]});
  }
  void backward(const qloom_call&, const qloom_block& block, const float* x, const float* dy,
                float* dx, double* sums) const noexcept {
    const auto ends = [low = low_.data(), high = high_.data()](std::uint64_t g) {
      return std::array{low[g], high[g]};
    };
    sum_elements(block, sums, ends, [=](const std::array<float, 2>& end, std::uint64_t i) {
      const float v = x[i], g = dy[i];
      const float below = v < end[0] ? g : 0.0F, above = v > end[1] ? g : 0.0F;
      dx[i] = v >= end[0] && v <= end[1] ? g : 0.0F;
      return std::array{below, above};
    });
  }
  void learned_gradients(const double* sums, std::uint64_t groups, float* const* gradients) {
    for (std::uint64_t g = 0; g < groups; ++g) {
      gradients[0][g] = static_cast<float>(sums[2 * g]);
      gradients[1][g] = static_cast<float>(sums[2 * g + 1]);
    }
  }
  void after_update() {
    for (const std::size_t end : {0, 1}) {
      keep_finite_and_above(end, std::numeric_limits<float>::lowest());
    }
  }
};

}  // namespace

QLOOM_METHODS(QuantizerVariants<Nudged, LearnedNudged>)
