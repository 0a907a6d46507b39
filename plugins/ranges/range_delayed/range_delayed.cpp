// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <qloom/observed.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// The range of a step from the steps before it: an exponential moving average of their extremes,
/// so that hardware writes quantized values in the pass that finds the next range. A step is one
/// observation, also where a round has many. The first has its own extremes.
///
/// state:     lo, hi: the average; next_lo, next_hi: extremes of the newest step, per group;
///            lo > hi: nothing seen yet
/// exactness: v += momentum * (new - v) in double, once a step
class RangeDelayed {
 public:
  explicit RangeDelayed(const Params& params) : momentum_(params.number("/momentum")) {}
  void begin(const qloom_range_context&, std::uint32_t) {}
  void observe(const qloom_tensor& x) {
    extremes_.find(x);
    observe_extremes(extremes_.lo, extremes_.hi);
  }
  void observe_extremes(std::span<const double> lo, std::span<const double> hi) {
    for (auto* ends : {&lo_, &next_lo_}) match_groups(*ends, lo.size(), 1.0);
    for (auto* ends : {&hi_, &next_hi_}) match_groups(*ends, hi.size(), -1.0);
    for (std::size_t g = 0; g < lo.size(); ++g) {
      if (next_lo_[g] <= next_hi_[g]) {  // else no finite value
        const bool is_first = lo_[g] > hi_[g];
        lo_[g] = is_first ? next_lo_[g] : lo_[g] + momentum_ * (next_lo_[g] - lo_[g]);
        hi_[g] = is_first ? next_hi_[g] : hi_[g] + momentum_ * (next_hi_[g] - hi_[g]);
      }
      next_lo_[g] = lo[g];
      next_hi_[g] = hi[g];
    }
  }
  void ranges(std::span<qloom_range> out) const {
    std::vector<double> lo(lo_), hi(hi_);
    for (std::size_t g = 0; g < lo.size(); ++g) {
      if (lo[g] <= hi[g]) continue;
      lo[g] = next_lo_[g];
      hi[g] = next_hi_[g];
    }
    write_ranges(out, lo, hi);
  }
  template <class Archive>
  void state(Archive& a) {
    a("lo", lo_);
    a("hi", hi_);
    a("next_lo", next_lo_);
    a("next_hi", next_hi_);
    require_equal_sizes(lo_, hi_, next_lo_, next_hi_);
  }

 private:
  double momentum_;
  Extremes extremes_;
  std::vector<double> lo_, hi_, next_lo_, next_hi_;
};

}  // namespace

QLOOM_METHODS(qloom::sdk::Range<RangeDelayed>)
