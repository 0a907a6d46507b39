// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <qloom/math/fixed_point.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// Requantization in float32.
///
/// unit:      factor: codes per unit of the sum; where the manifest asks for it the host has formed
///            it in float32, and offset / factor is the bias at the sum's scale all the same
/// exactness: float32(v) and the product are rounded to float32, the code half to even
class FloatScale {
 public:
  explicit FloatScale(const Params&) {}

  void derive(const qloom_requantize_task& task, Steps& steps) const {
    if (task.inputs > 1) {
      throw Error(QLOOM_E_UNSUPPORTED,
                  "a join: runtimes add float32 values, and steps add integers; expected one sum");
    }
    std::vector<std::int64_t> before, last;
    std::vector<float> factors;
    for (std::uint64_t c = 0; c < task.channels; ++c) {
      const double factor = task.factor[c], offset = task.offset[c];
      factors.push_back(static_cast<float>(factor));
      before.push_back(factor == 0 ? 0 : sum_bias(offset, factor, c));
      const double constant = factor == 0 ? std::fmin(std::fmax(offset, -0x1p32), 0x1p32) : 0.0;
      last.push_back(task.zero_point + nearest_even(constant));
      require_small(task, c, before.back(), factors.back());
    }
    steps.add(before);
    steps.float_scale(factors);
    steps.add(last);
    steps.clamp(task.code_min, task.code_max);
  }

 private:
  static void require_small(const qloom_requantize_task& task, std::uint64_t c, std::int64_t bias,
                            float factor) {
    const double most = std::fmax(std::fabs(static_cast<double>(task.sum_min[c])),
                                  std::fabs(static_cast<double>(task.sum_max[c]))) +
                        std::fabs(static_cast<double>(bias));
    if (most * std::fabs(static_cast<double>(factor)) < 0x1p61) return;
    throw Error(QLOOM_E_UNSUPPORTED, concat("channel ", c, ": a sum of magnitude ", most, " times ",
                                            factor, " leaves 2^61"));
  }
};

}  // namespace

QLOOM_METHODS(qloom::sdk::Requantizer<FloatScale>)
