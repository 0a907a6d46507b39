// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// BinaryConnect (Courbariaux, Bengio, David, 2015): the rate at which latent weights learn.
#include <cmath>

#include <qloom/chosen_layers.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// The optimizer's learning rate and weight decay are multiplied by constants of each weight: the
/// rate by a number, or by 1 / sqrt(1.5 / (fan_in + fan_out)), the inverse of Glorot and Bengio's
/// bound, so that a step is as large beside the bound in every layer.
class LatentRates {
 public:
  static constexpr std::uint32_t kCaps = 1U << QLOOM_EVENT_PREPARE;

  explicit LatentRates(const Params& params)
      : layers_(params),
        rate_(params.number_or("/latent_rate", kGlorot)),
        decay_(params.number("/decay_factor")) {}

  void on(const Run& run, const qloom_event&) const {
    for (const RunTensor& t : layers_.weights(run)) {
      const double rate = rate_ == kGlorot ? glorot(t) : rate_;
      run.set_factors(t.index, rate, decay_);
      run.report(concat("rate_factor/", t.layer).c_str(), rate);
    }
  }

 private:
  static constexpr double kGlorot = -1;

  /// t is (outputs, kernel_h, kernel_w, inputs).
  static double glorot(const RunTensor& t) {
    const auto n = static_cast<double>(t.n);
    const double fan_in = n / static_cast<double>(t.shape[0]);
    const double fan_out = n / static_cast<double>(t.shape[3]);
    return 1.0 / std::sqrt(1.5 / (fan_in + fan_out));
  }

  ChosenLayers layers_;
  double rate_, decay_;
};

}  // namespace

QLOOM_METHODS(Procedure<LatentRates>)
