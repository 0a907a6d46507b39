// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <qloom/observed.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// The same two ends for every group, whatever the values are.
///
/// state:     lo, hi: one double per group; lo > hi: no finite value was seen
/// errors:    QLOOM_E_INVALID for ends in the wrong order
class Constant {
 public:
  static constexpr std::uint32_t kCaps = QLOOM_RANGE_IGNORES_VALUES;

  explicit Constant(const Params& params) : range_{params.number("/lo"), params.number("/hi")} {
    if (range_.lo <= range_.hi) return;
    throw Error(QLOOM_E_INVALID, concat("/hi: ", range_.hi, " is below lo, ", range_.lo));
  }
  void begin(const qloom_range_context&, std::uint32_t) {}
  void observe(const qloom_tensor& x) {
    extremes_.find(x);
    observe_extremes(extremes_.lo, extremes_.hi);
  }
  void observe_extremes(std::span<const double> lo, std::span<const double> hi) {
    match_groups(lo_, lo.size(), 1.0);
    match_groups(hi_, hi.size(), -1.0);
    for (std::size_t g = 0; g < lo.size(); ++g) {
      if (lo[g] > hi[g]) continue;  // no finite value
      lo_[g] = range_.lo;
      hi_[g] = range_.hi;
    }
  }
  void ranges(std::span<qloom_range> out) const { write_ranges(out, lo_, hi_); }
  template <class Archive>
  void state(Archive& a) {
    a("lo", lo_);
    a("hi", hi_);
  }

 private:
  qloom_range range_;
  Extremes extremes_;
  std::vector<double> lo_, hi_;
};

}  // namespace

QLOOM_METHODS(qloom::sdk::Range<Constant>)
