// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <qloom/observed.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// Smallest and largest finite value of one round of observations, per group.
///
/// state:     lo, hi: one double per group; lo > hi: nothing seen yet
/// exactness: exact
/// errors:    QLOOM_E_ORDER for a group without a finite value
class MinMax {
 public:
  explicit MinMax(const Params&) {}
  void begin(const qloom_range_context&, std::uint32_t) {
    lo_.clear();
    hi_.clear();
  }
  void observe(const qloom_tensor& x) {
    extremes_.find(x);
    observe_extremes(extremes_.lo, extremes_.hi);
  }
  void observe_extremes(std::span<const double> lo, std::span<const double> hi) {
    widen(lo_, hi_, lo, hi);
  }
  void ranges(std::span<qloom_range> out) const { write_ranges(out, lo_, hi_); }
  template <class Archive>
  void state(Archive& a) {
    a("lo", lo_);
    a("hi", hi_);
  }

 private:
  Extremes extremes_;
  std::vector<double> lo_, hi_;
};

}  // namespace

QLOOM_METHODS(qloom::sdk::Range<MinMax>)
