// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <qloom/observed.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// Exponential moving average of each tensor's extremes, per group. The first tensor sets the
/// average; it goes on over observations and over rounds.
///
/// state:     lo, hi: one double per group; lo > hi: nothing seen yet
/// exactness: v += momentum * (new - v) in double, in the order of observation
/// errors:    QLOOM_E_ORDER for a group without a finite value
class MovingAverageMinMax {
 public:
  explicit MovingAverageMinMax(const Params& params) : momentum_(params.number("/momentum")) {}
  void begin(const qloom_range_context&, std::uint32_t) {}
  void observe(const qloom_tensor& x) {
    const Extremes e = finite_extremes(x);
    match_groups(lo_, x.groups, 1.0);
    match_groups(hi_, x.groups, -1.0);
    for (std::uint64_t g = 0; g < x.groups; ++g) {
      if (e.lo[g] > e.hi[g]) continue;  // no finite value: the average stays
      const bool is_first = lo_[g] > hi_[g];
      lo_[g] = is_first ? e.lo[g] : lo_[g] + momentum_ * (e.lo[g] - lo_[g]);
      hi_[g] = is_first ? e.hi[g] : hi_[g] + momentum_ * (e.hi[g] - hi_[g]);
    }
  }
  void ranges(std::span<qloom_range> out) const { write_ranges(out, lo_, hi_); }
  template <class Archive>
  void state(Archive& a) {
    a("lo", lo_);
    a("hi", hi_);
  }

 private:
  double momentum_;
  std::vector<double> lo_, hi_;
};

}  // namespace

QLOOM_METHODS(qloom::sdk::Range<MovingAverageMinMax>)
