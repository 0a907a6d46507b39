// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <qloom/observed.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// Exponential moving average of each tensor's extremes, per group. The first tensor sets the
/// average, or moves it from a given start; it goes on over observations and over rounds.
///
/// state:     lo, hi: one double per group; lo > hi: nothing seen yet
/// exactness: v += momentum * (new - v) in double, in the order of observation
/// errors:    QLOOM_E_ORDER for a group without a finite value
class MovingAverageMinMax {
 public:
  explicit MovingAverageMinMax(const Params& params)
      : momentum_(params.number("/momentum")),
        first_lo_(params.number_or("/initial_lo", kNone)),
        first_hi_(params.number_or("/initial_hi", kNone)) {}
  void begin(const qloom_range_context&, std::uint32_t) {}
  void observe(const qloom_tensor& x) {
    extremes_.find(x);
    observe_extremes(extremes_.lo, extremes_.hi);
  }
  void observe_extremes(std::span<const double> lo, std::span<const double> hi) {
    match_groups(lo_, lo.size(), 1.0);
    match_groups(hi_, hi.size(), -1.0);
    for (std::size_t g = 0; g < lo.size(); ++g) {
      if (lo[g] > hi[g]) continue;  // no finite value: the average stays
      const bool is_first = lo_[g] > hi_[g];
      move(lo_[g], is_first ? first_lo_ : lo_[g], lo[g]);
      move(hi_[g], is_first ? first_hi_ : hi_[g], hi[g]);
      if (lo_[g] > hi_[g]) lo_[g] = hi_[g] = 0.5 * (lo_[g] + hi_[g]);  // a start beyond the values
    }
  }
  void ranges(std::span<qloom_range> out) const { write_ranges(out, lo_, hi_); }
  template <class Archive>
  void state(Archive& a) {
    a("lo", lo_);
    a("hi", hi_);
  }

 private:
  static constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

  void move(double& end, double before, double now) const {
    end = std::isnan(before) ? now : before + momentum_ * (now - before);
  }

  double momentum_, first_lo_, first_hi_;  // kNone: the first tensor's
  Extremes extremes_;
  std::vector<double> lo_, hi_;
};

}  // namespace

QLOOM_METHODS(qloom::sdk::Range<MovingAverageMinMax>)
