// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A ReLU of a few levels, with a choice of straight-through estimators (Yin, Lyu, Zhang, Osher, Qi,
// Xin, 2019).
#include <qloom/sdk.hpp>
#include <qloom/straight_through.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// n = 2^bits - 1;  code = round(n / end * min(max(x, 0), end));  y = end / n * code
/// backward:  dx = dy * slope(x), the slope as StraightThrough defines it
/// encoding:  unsigned codes 0 .. n, scale end / n
class QuantRelu : public UniformGrid {
 public:
  static constexpr std::uint32_t kCaps = QLOOM_QUANTIZER_USES_ROUNDING;

  explicit QuantRelu(const Params& params)
      : end_(static_cast<float>(params.number("/end"))), ste_(params) {
    set_codes(params.integer("/bits"), false, false);
  }
  void prepare(const qloom_prepare& in) {
    resize(in.x.groups);
    for (std::uint64_t g = 0; g < in.x.groups; ++g) set(g, end_ / max_, max_ / end_);
  }
  void backward(const qloom_call&, const qloom_block& block, const float* x, const float* dy,
                float* dx, double*) const noexcept {
    ste_.backward(block.n, x, dy, dx);
  }

 private:
  float end_;
  StraightThrough ste_;
};

}  // namespace

QLOOM_METHODS(Quantizer<QuantRelu>)
