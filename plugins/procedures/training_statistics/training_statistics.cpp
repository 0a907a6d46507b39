// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <cmath>
#include <string>
#include <vector>

#include <qloom/chosen_layers.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

qloom_tensor vector_of(const float* x, std::uint64_t n) { return {x, nullptr, 0, n, 1, 1, n}; }
double norm_of(const float* x, std::uint64_t n) {
  return std::sqrt(reduce(vector_of(x, n), QLOOM_REDUCE_SQUARE_SUM)[0]);
}

/// Series of figures after each epoch, for each layer with weights (key "<figure>/<layer>"):
///   weight_norm: L2 norm of the stored weights;  update_ratio: of their change since the last
///   epoch, over the norm before it, 0 from zeros on;  zero_share: of the weights as the
///   contraction sees them;  quantization_noise: L2 norm of quantized - stored, over that of the
///   stored weights; gradient_norm: mean over the epoch's steps of the gradient's L2 norm
///
/// state:     weights as they were after the last epoch; sums of gradient norms; steps
/// exactness: sums in double in a fixed order
class TrainingStatistics {
 public:
  static constexpr std::uint32_t kCaps = 1U << QLOOM_EVENT_BEFORE_STEP |
                                         1U << QLOOM_EVENT_AFTER_BACKWARD |
                                         1U << QLOOM_EVENT_AFTER_EPOCH;

  explicit TrainingStatistics(const Params& params) : layers_(params) {}
  void on(Run& run, const qloom_event& event) {
    const std::vector<RunTensor> weights = layers_.weights(run);
    if (event.event == QLOOM_EVENT_BEFORE_STEP) {
      if (before_.empty()) keep(weights);
    } else if (event.event == QLOOM_EVENT_AFTER_BACKWARD) {
      gradients_.resize(weights.size());
      for (std::size_t k = 0; k < weights.size(); ++k) {
        gradients_[k] += norm_of(weights[k].gradient, weights[k].n);
      }
      ++steps_;
    } else {
      report(run, weights);
      keep(weights);
    }
  }
  template <class Archive>
  void state(Archive& a) {
    a("before", before_);
    a("gradients", gradients_);
    a("steps", steps_);
  }

 private:
  void keep(const std::vector<RunTensor>& weights) {
    before_.clear();
    for (const RunTensor& t : weights) before_.insert(before_.end(), t.value, t.value + t.n);
    gradients_.assign(weights.size(), 0.0);
    steps_ = 0;
  }
  void report(Run& run, const std::vector<RunTensor>& weights) {
    std::size_t offset = 0;
    for (std::size_t k = 0; k < weights.size(); ++k) {
      const RunTensor& t = weights[k];
      const double norm = norm_of(t.value, t.n);
      const auto tell = [&](const char* figure, double value) {
        run.report(concat(figure, "/", t.layer).c_str(), std::isfinite(value) ? value : 0.0);
      };
      tell("weight_norm", norm);
      if (offset + t.n <= before_.size()) {
        const float* const before = before_.data() + offset;
        tell("update_ratio", difference(t.value, before, t.n) / norm_of(before, t.n));
      }
      const float* const quantized = run.quantized(t.index);
      tell("zero_share", static_cast<double>(std::count(quantized, quantized + t.n, 0.0F)) /
                             static_cast<double>(t.n));
      tell("quantization_noise", difference(quantized, t.value, t.n) / norm);
      if (k < gradients_.size()) tell("gradient_norm", gradients_[k] / static_cast<double>(steps_));
      offset += t.n;
    }
  }
  /// L2 norm of a - b.
  double difference(const float* a, const float* b, std::uint64_t n) {
    const auto none = [](std::uint64_t) { return 0; };
    const auto square = [a, b](int, std::uint64_t i) {
      const double d = double{a[i]} - double{b[i]};
      return std::array{d * d};
    };
    return std::sqrt(sum_groups(vector_of(a, n), scratch_, none, square)[0]);
  }

  ChosenLayers layers_;
  std::vector<float> before_;  // all weights, one after the other
  std::vector<double> gradients_, scratch_;
  std::int64_t steps_ = 0;
};

}  // namespace

QLOOM_METHODS(qloom::sdk::Procedure<TrainingStatistics>)
