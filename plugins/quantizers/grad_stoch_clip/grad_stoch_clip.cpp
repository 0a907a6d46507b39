// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Stochastic gradients of a few bits, clipped by their deviation (Hou, Zhang, Kwok, 2019).
#include <algorithm>
#include <cmath>

#include <qloom/grids/random_grid.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// s = min(max|x|, c sigma);  y = s / k * code, code in -k .. k: k x / s rounded at random, so that
/// the mean is x where nothing was clipped. The rule's rounding mode has no say.
class GradStochClip : public RandomGrid {
 public:
  static constexpr std::uint32_t kCaps = QLOOM_QUANTIZER_WANTS_TENSOR;

  explicit GradStochClip(const Params& params) : deviations_(params.number("/clip_deviations")) {
    set_codes(params.integer("/bits"), true, true);
  }
  void prepare(const qloom_prepare& in) {
    require_finite(in.x);
    const std::vector<double> largest = reduce(in.x, QLOOM_REDUCE_ABS_MAX);
    const Moments found = moments(in.x);
    resize(in.x.groups);
    for (std::size_t g = 0; g < largest.size(); ++g) {
      const double end = deviations_ * found.deviation[g];
      const auto s = static_cast<float>(end > 0 ? std::min(largest[g], end) : largest[g]);
      set_reaching(g, s / max_, s);
    }
  }

 private:
  double deviations_;  // c; 0: nothing is clipped
};

}  // namespace

QLOOM_METHODS(Quantizer<GradStochClip>)
