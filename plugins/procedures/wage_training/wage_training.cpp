// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>
#include <cmath>
#include <string>

#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// WAGE's recipe around its quantizers (Wu et al., 2018, eq. 5, 7, 12).
///
/// The quantizer `wage` at the site gradient gives updates in integer steps of the stored grid,
/// learning rate included; so the optimizer must be SGD with learning rate 1 and no momentum, which
/// is checked where the host tells it.
class WageTraining {
 public:
  static constexpr std::uint32_t kCaps = 1U << QLOOM_EVENT_PREPARE | 1U << QLOOM_EVENT_BEFORE_STEP |
                                         1U << QLOOM_EVENT_LOSS | 1U << QLOOM_EVENT_AFTER_BACKWARD |
                                         1U << QLOOM_EVENT_AFTER_STEP;

  explicit WageTraining(const Params& p)
      : step_w_(std::ldexp(1.0F, 1 - static_cast<int>(p.integer("/weight_bits")))),
        step_g_(std::ldexp(1.0F, 1 - static_cast<int>(p.integer("/update_bits")))),
        beta_(p.number("/beta")),
        gain_(p.number("/init_gain")),
        clips_before_(p.text("/update_clip") == "code") {}

  void on(Run& run, const qloom_event& event) const {
    switch (event.event) {
      case QLOOM_EVENT_PREPARE:
        initialise(run);
        break;
      case QLOOM_EVENT_BEFORE_STEP:
        if (run.learning_rate() != 1.0) {
          throw Error(QLOOM_E_INVALID,
                      concat("the optimizer's learning rate is ", run.learning_rate(),
                             "; WAGE needs 1 (the gradient quantizer holds the rate)"));
        }
        break;
      case QLOOM_EVENT_LOSS:
        squared_error(run);
        break;
      case QLOOM_EVENT_AFTER_BACKWARD:
        freeze_others(run);
        break;
      case QLOOM_EVENT_AFTER_STEP:
        if (!clips_before_) clip_weights(run, 1.0F - step_g_);
        break;
    }
  }

 private:
  void initialise(Run& run) const {
    for (const qloom_run_tensor& t : run.tensors()) {
      if (t.role != QLOOM_ROLE_WEIGHT) continue;
      const double limit = std::max(std::sqrt(gain_ / static_cast<double>(t.fan_in)),
                                    beta_ * static_cast<double>(step_w_));
      run.random_uniform((std::string("wage/") + t.layer).c_str(), t.value, t.n);
      for (std::uint64_t i = 0; i < t.n; ++i) {
        // Quantized once to the forward grid, as the authors' code does: all later values are
        // multiples of step_g.
        const auto w = static_cast<float>(limit * (2.0 * static_cast<double>(t.value[i]) - 1.0));
        t.value[i] =
            std::clamp(std::nearbyint(w / step_w_) * step_w_, step_w_ - 1.0F, 1.0F - step_w_);
      }
    }
  }
  /// dL/dy of 0.5 * sum (y - onehot)^2.
  static void squared_error(Run& run) {
    const Run::Logits l = run.logits();
    for (std::uint64_t i = 0; i < l.batch * l.classes; ++i) {
      const bool is_label = static_cast<std::int64_t>(i % l.classes) == l.labels[i / l.classes];
      l.gradient[i] = l.values[i] - (is_label ? 1.0F : 0.0F);
    }
  }
  void freeze_others(Run& run) const {
    for (const qloom_run_tensor& t : run.tensors()) {
      if (t.role != QLOOM_ROLE_WEIGHT) std::fill_n(t.gradient, t.n, 0.0F);
    }
    if (clips_before_) clip_weights(run, 1.0F - step_w_);
  }
  static void clip_weights(Run& run, float bound) {
    for (const qloom_run_tensor& t : run.tensors()) {
      if (t.role != QLOOM_ROLE_WEIGHT) continue;
      for (std::uint64_t i = 0; i < t.n; ++i) t.value[i] = std::clamp(t.value[i], -bound, bound);
    }
  }

  float step_w_, step_g_;
  double beta_, gain_;
  bool clips_before_;
};

}  // namespace

QLOOM_METHODS(qloom::sdk::Procedure<WageTraining>)
