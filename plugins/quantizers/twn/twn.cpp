// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Ternary Weight Networks (Li, Zhang, Liu, 2016): w -> {-alpha, 0, +alpha}.
#include <qloom/sdk.hpp>
#include <qloom/ternary_grid.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// Per group, from the whole tensor at every step:
///   heuristic: delta = factor * mean |w|
///   exact:     the delta that minimises sum (w - alpha t)^2 (paper, eq. 3 to 5)
///   alpha = mean of |w| over |w| > delta;  y = alpha sign(w) where |w| > delta, else 0
/// exactness: sums in double in the order of reduce() and sum_groups(); delta and alpha are rounded
///            to float once, the comparison is strict and in float
/// backward:  straight through; with ste clipped zero where |w| > 1
class Twn : public TernaryGrid {
 public:
  explicit Twn(const Params& params)
      : factor_(params.number("/threshold_factor")),
        is_exact_(params.text("/threshold_rule") == "exact"),
        clips_(params.text("/ste") == "clipped") {}

  void prepare(const qloom_prepare& in) {
    begin(in.x.groups);
    if (is_exact_) {
      find_best_thresholds(in.x);
    } else {
      const auto sums = finite_abs_sums(in.x), counts = reduce(in.x, QLOOM_REDUCE_COUNT);
      for (std::size_t g = 0; g < threshold_.size(); ++g) {
        threshold_[g] = static_cast<float>(factor_ * sums[g] / counts[g]);
      }
    }
    place_means(in.x);
  }

  void backward(const qloom_call&, const qloom_block& block, const float* x, const float* dy,
                float* dx, double*) const noexcept {
    if (clips_) {
      clipped_backward(1.0F, block, x, dy, dx);
    } else {
      pass_through(dy, dx, block.n);
    }
  }

 private:
  double factor_;
  bool is_exact_, clips_;
};

}  // namespace

QLOOM_METHODS(Quantizer<Twn>)
