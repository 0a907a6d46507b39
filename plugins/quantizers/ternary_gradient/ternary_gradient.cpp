// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// TernGrad (Wen et al., 2017): unbiased gradients of three levels.
#include <qloom/grids/random_grid.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// y = s * code, code in -1, 0, 1: x / s clipped and rounded at random. The rule's rounding mode
/// has no say.
class TernaryGradient : public RandomGrid {
 public:
  static constexpr std::uint32_t kCaps = QLOOM_QUANTIZER_WANTS_TENSOR;

  explicit TernaryGradient(const Params& params) : deviations_(params.number("/clip_deviations")) {
    set_codes(2, -1.0, 1.0);
  }
  void prepare(const qloom_prepare& in) {
    require_finite(in.x);
    const std::vector<double> largest = reduce(in.x, QLOOM_REDUCE_ABS_MAX);
    const Moments found = moments(in.x);
    resize(in.x.groups);
    for (std::size_t g = 0; g < largest.size(); ++g) {
      const double end = deviations_ * found.deviation[g];
      const auto s = static_cast<float>(end > 0 ? end : largest[g]);
      set_reaching(g, s, s);
    }
  }

 private:
  double deviations_;  // c; 0: s = max |x|
};

}  // namespace

QLOOM_METHODS(Quantizer<TernaryGradient>)
