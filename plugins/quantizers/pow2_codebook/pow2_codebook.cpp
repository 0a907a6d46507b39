// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The codebook of incremental network quantization (Zhou et al., 2017): zero and powers of two.
#include <algorithm>
#include <cmath>

#include <qloom/grids/levels.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// Levels 0, +-2^n2 .. +-2^n1, the nearest one with ties away from 0; dx = dy.
/// encoding:  codebook in ascending order, 2^(bits-1) + 1 levels
/// state:     top_exponent n1 per group, from the first tensor, never moved
class Pow2Codebook : public Levels {
 public:
  static constexpr std::uint32_t kCaps = QLOOM_QUANTIZER_WANTS_FIRST_TENSOR;

  explicit Pow2Codebook(const Params& params)
      : powers_(std::size_t{1} << (params.integer("/bits") - 2)) {}

  void prepare(const qloom_prepare& in) {
    if (top_exponent_.empty()) find_exponents(in.x);
    if (top_exponent_.size() != in.x.groups) {
      throw Error(QLOOM_E_INVALID, concat("the tensor has ", in.x.groups, " groups, the first had ",
                                          top_exponent_.size()));
    }
    begin(in.x.groups, 2 * powers_ + 1);
    for (std::size_t g = 0; g < top_exponent_.size(); ++g) fill(g);
  }
  template <class Archive>
  void state(Archive& archive) {
    archive("top_exponent", top_exponent_);
  }

 private:
  void find_exponents(const qloom_tensor& x) {
    if (x.data == nullptr) throw Error(QLOOM_E_ORDER, "the first tensor was not given");
    require_finite(x);
    for (const double s : reduce(x, QLOOM_REDUCE_ABS_MAX)) {
      top_exponent_.push_back(s > 0 ? floor_log2(4.0 * s / 3.0) : 0);
    }
  }
  /// Level number powers is 0, those k beside it are -+2^(n2 + k - 1).
  void fill(std::size_t group) noexcept {
    const int span = static_cast<int>(powers_) - 1;
    const int lowest = std::clamp(top_exponent_[group], span - 126, 127) - span;
    float *const level = levels(group) + powers_, *const end = thresholds(group) + powers_;
    for (std::size_t k = 1; k <= powers_; ++k) {
      level[k] = power_of_two(lowest + static_cast<int>(k) - 1);
      *(level - k) = -level[k];
      const float middle = middle_of(level[k - 1], level[k]);
      end[k - 1] = just_below(middle);
      *(end - k) = -middle;
    }
  }

  std::size_t powers_;                      // of either sign
  std::vector<std::int32_t> top_exponent_;  // n1 per group
};

}  // namespace

QLOOM_METHODS(Quantizer<Pow2Codebook>)
