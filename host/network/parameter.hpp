// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Trainable tensors, their optimizer state and the quantizers of their sites.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "host/network/names.hpp"

namespace qloom::network {

struct OptimizerSettings {
  enum class Type { kSgd, kAdam } type = Type::kSgd;
  double learning_rate = 0, momentum = 0, weight_decay = 0;
  bool nesterov = false;
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
};

/// What procedures asked for a parameter (abi.h, qloom.tensors/1).
struct Control {
  std::vector<std::uint8_t> held;  ///< 1: the element keeps its bits; empty: none does
  double rate_factor = 1, decay_factor = 1;
  std::vector<float> importance;  ///< empty: nobody gave any
  double storage_bits = -1;       ///< negative: as its encoding says
};

/// One weight, bias, gamma or beta. The stored (master) value is what the optimizer updates; the
/// contraction sees `quantized`.
struct Parameter {
  std::string layer;
  std::uint32_t role = QLOOM_ROLE_WEIGHT;
  std::int64_t fan_in = 0;
  Shape shape;  ///< of the value, also where a check has none
  Tensor value, gradient;
  Tensor velocity, second_moment;  ///< momentum or first moment; Adam's second moment
  Tensor quantized;                ///< value through the site's quantizer
  CodedTensor codes;               ///< of quantized, where contractions take them
  Tensor scratch;                  ///< of the update's quantizers
  Tensor kept;                     ///< of an update: the value before it, where elements are held
  Control control;
  Tensor shadow;  ///< evaluation uses it in place of the value when not empty

  std::shared_ptr<SiteQuantizer> forward;  ///< site weight or bias
  std::shared_ptr<SiteQuantizer> on_gradient, on_update, on_momentum;

  [[nodiscard]] std::string name() const;
};

/// The quantizer through which such a pass sees the parameter, or null.
[[nodiscard]] inline SiteQuantizer* acting(const Parameter& parameter, const Phase& phase) {
  SiteQuantizer* const site = parameter.forward.get();
  return site != nullptr && site->acts(phase) ? site : nullptr;
}
/// What its quantizer is told of the elements.
[[nodiscard]] sites::Stored stored_of(const Parameter& parameter);

[[nodiscard]] const char* role_name(std::uint32_t role);

/// One optimizer step on one parameter. SGD (Sutskever et al., 2013): g += decay * w;
/// v = momentum * v + g; v = Q_momentum(v); w -= rate * v (Nesterov: rate * (g + momentum * v));
/// w = Q_update(w). Adam (Kingma, Ba, 2015): the usual moments with bias correction for `count`
/// steps done, decay added to the gradient. Decay acts on weights only. The gradient goes through
/// the site "gradient" first. Factors of the control multiply rate and decay; a held element keeps
/// its bits: its gradient is 0 before the site, its moments are 0.
void update(Parameter& parameter, const OptimizerSettings& settings, const Phase& phase,
            std::uint64_t count);

/// The same rule for the learned parameters of a quantizer; `velocity` and `second` are theirs.
void update(LearnedParameter& parameter, std::vector<float>& velocity, std::vector<float>& second,
            const OptimizerSettings& settings, std::uint64_t count);

}  // namespace qloom::network
