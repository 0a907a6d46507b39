// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <cmath>

#include <qloom/observed.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// A power-of-two bound 2^e per group that moves with the share of values beyond it: Courbariaux,
/// Bengio, David, 2014. After every `interval` values: up by one where more than rate * interval of
/// them have |x| >= 2^e, else down by one where no more than that have |2 x| >= 2^e.
///
/// The first tensor sets the smallest e with |x| < 2^e. The range is that of two's complement,
/// [-2^e, 2^e - step], or [0, 2^e - step] without negative codes.
/// state:     exponent, seen, over, half_over: per group; levels, is_signed
/// exactness: counts are compared, no rates
class RangeOverflowRate {
 public:
  explicit RangeOverflowRate(const Params& params)
      : interval_(params.number("/interval")),
        allowed_(std::floor(params.number("/rate") * interval_ + kNear)) {}
  void begin(const qloom_range_context& context, std::uint32_t) {
    is_signed_ = context.is_signed != 0 && context.after_relu == 0;
    levels_ = static_cast<double>(std::max<std::uint64_t>(context.levels, 2));
  }
  void observe(const qloom_tensor& x) {
    if (exponent_.empty()) start(x);
    match_groups(exponent_, x.groups, 0.0);
    std::vector<double> bound(x.groups);
    for (std::size_t g = 0; g < x.groups; ++g) bound[g] = std::ldexp(1.0, exponent(g));
    const std::vector<double> counts =
        sum_finite(x, scratch_, entry_of(bound), [](double limit, double v) {
          const double magnitude = std::fabs(v);
          return std::array{1.0, magnitude >= limit ? 1.0 : 0.0,
                            2.0 * magnitude >= limit ? 1.0 : 0.0};
        });
    for (std::size_t g = 0; g < x.groups; ++g) count(g, counts.data() + 3 * g);
  }
  void ranges(std::span<qloom_range> out) const {
    std::vector<double> lo(exponent_.size(), 1.0), hi(exponent_.size(), -1.0);
    for (std::size_t g = 0; g < lo.size(); ++g) {
      if (std::isnan(exponent_[g])) continue;
      const double bound = std::ldexp(1.0, exponent(g));
      lo[g] = is_signed_ ? -bound : 0.0;
      hi[g] = bound * (1.0 - (is_signed_ ? 2.0 : 1.0) / levels_);
    }
    write_ranges(out, lo, hi);
  }
  template <class Archive>
  void state(Archive& a) {
    a("exponent", exponent_);
    a("seen", seen_);
    a("over", over_);
    a("half_over", half_over_);
    require_equal_sizes(exponent_, seen_, over_, half_over_);
    a("levels", levels_);
    std::uint8_t is_signed = is_signed_;
    a("is_signed", is_signed);
    is_signed_ = is_signed != 0;
  }

 private:
  static constexpr double kNear = 1e-9;  // rate * interval is meant to be an integer
  static constexpr int kLeast = -120, kMost = 120;

  [[nodiscard]] int exponent(std::size_t g) const {
    return std::isnan(exponent_[g]) ? 0 : static_cast<int>(std::clamp(exponent_[g], -120.0, 120.0));
  }
  void start(const qloom_tensor& x) {
    extremes_.find(x);
    exponent_.assign(x.groups, std::numeric_limits<double>::quiet_NaN());
    for (auto* counts : {&seen_, &over_, &half_over_}) counts->assign(x.groups, 0.0);
    for (std::size_t g = 0; g < x.groups; ++g) {
      if (extremes_.lo[g] > extremes_.hi[g]) continue;  // no finite value
      const double largest = std::max(-extremes_.lo[g], extremes_.hi[g]);
      exponent_[g] = largest > 0 ? std::clamp(std::ilogb(largest) + 1, kLeast, kMost) : 0;
    }
  }
  void count(std::size_t g, const double* counts) {
    if (counts[0] > 0 && std::isnan(exponent_[g])) exponent_[g] = 0;
    seen_[g] += counts[0];
    over_[g] += counts[1];
    half_over_[g] += counts[2];
    if (seen_[g] < interval_) return;
    const double allowed = std::floor(allowed_ * (seen_[g] / interval_) + kNear);
    if (over_[g] > allowed) {
      exponent_[g] = std::min(exponent_[g] + 1.0, double{kMost});
    } else if (half_over_[g] <= allowed) {
      exponent_[g] = std::max(exponent_[g] - 1.0, double{kLeast});
    }
    seen_[g] = over_[g] = half_over_[g] = 0;
  }

  double interval_, allowed_, levels_ = 256;  // allowed_: of interval_ values
  bool is_signed_ = true;
  Extremes extremes_;
  std::vector<double> exponent_, seen_, over_, half_over_, scratch_;
};

}  // namespace

QLOOM_METHODS(qloom::sdk::Range<RangeOverflowRate>)
