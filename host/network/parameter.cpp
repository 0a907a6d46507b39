// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/network/parameter.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "host/kernels/vectorized.hpp"
#include "host/tensor/error.hpp"
#include "host/tensor/parallel.hpp"

namespace qloom::network {
namespace {

/// The float32 constants of one step, computed once in double.
struct Step {
  OptimizerSettings::Type type;
  bool nesterov;
  float rate, decay, momentum, beta1, beta2, epsilon, correction1, correction2;
  float rest1, rest2;  // 1 - beta, of the double: of float32 0.999 the difference is off by 1.3e-5

  Step(const OptimizerSettings& s, double rate_factor, double decay_factor, std::uint64_t count)
      : type(s.type),
        nesterov(s.nesterov),
        rate(static_cast<float>(s.learning_rate * rate_factor)),
        decay(static_cast<float>(s.weight_decay * decay_factor)),
        momentum(static_cast<float>(s.momentum)),
        beta1(static_cast<float>(s.beta1)),
        beta2(static_cast<float>(s.beta2)),
        epsilon(static_cast<float>(s.epsilon)),
        correction1(static_cast<float>(1.0 / (1.0 - std::pow(s.beta1, double(count + 1))))),
        correction2(static_cast<float>(1.0 / (1.0 - std::pow(s.beta2, double(count + 1))))),
        rest1(static_cast<float>(1.0 - s.beta1)),
        rest2(static_cast<float>(1.0 - s.beta2)) {}

  /// First half: the moments from the gradient; g keeps the decayed gradient for Nesterov.
  void moments(float w, float& g, float& v, float& second) const noexcept {
    g += decay * w;
    if (type == OptimizerSettings::Type::kSgd) {
      v = momentum * v + g;
    } else {
      v = beta1 * v + rest1 * g;
      second = beta2 * second + rest2 * (g * g);
    }
  }
  /// Second half: the new value.
  [[nodiscard]] float value(float w, float g, float v, float second) const noexcept {
    if (type == OptimizerSettings::Type::kSgd) {
      return w - rate * (nesterov ? g + momentum * v : v);
    }
    return w - rate * (v * correction1) / (std::sqrt(second * correction2) + epsilon);
  }
};

/// A parameter's arrays from one element on. Without a second moment its place is taken by the
/// velocity, which that rule does not touch there.
struct Tile {
  float *w, *g, *v, *second;

  Tile(Parameter& p, bool is_adam, std::uint64_t first)
      : w(p.value.data() + first),
        g(p.gradient.data() + first),
        v(p.velocity.data() + first),
        second((is_adam ? p.second_moment : p.velocity).data() + first) {}

  void moments(const Step& step, std::uint64_t n) const noexcept {
    kernels::vectorized([=, *this] {
      QLOOM_INDEPENDENT_STEPS
      for (std::uint64_t i = 0; i < n; ++i) step.moments(w[i], g[i], v[i], second[i]);
    });
  }
  void values(const Step& step, std::uint64_t n) const noexcept {
    kernels::vectorized([=, *this] {
      QLOOM_INDEPENDENT_STEPS
      for (std::uint64_t i = 0; i < n; ++i) w[i] = step.value(w[i], g[i], v[i], second[i]);
    });
  }
};

void require_state(Tensor& state, const Shape& shape) {
  if (state.shape() == shape) return;
  state.resize(shape);
  state.fill(0.0F);
}

/// x = 0 where the element is held.
void clear_held(const std::vector<std::uint8_t>& held, Tensor& x) {
  for (std::size_t i = 0; i < std::min(held.size(), x.size()); ++i) {
    if (held[i] != 0) x[i] = 0.0F;
  }
}

/// x = Q(x)
void quantize_in_place(SiteQuantizer* site, Tensor& x, Tensor& scratch, const Phase& phase) {
  if (site == nullptr) return;
  site->forward(x, scratch, phase);
  std::swap(x, scratch);
}

}  // namespace

const char* role_name(std::uint32_t role) {
  switch (role) {
    case QLOOM_ROLE_WEIGHT:
      return "weight";
    case QLOOM_ROLE_BIAS:
      return "bias";
    case QLOOM_ROLE_GAMMA:
      return "gamma";
    case QLOOM_ROLE_BETA:
      return "beta";
  }
  throw RunError(fmt::format("a parameter has the role {}, which is none", role));
}

sites::Stored stored_of(const Parameter& p) {
  return {p.control.held.empty() ? nullptr : p.control.held.data(),
          p.control.importance.empty() ? nullptr : p.control.importance.data(),
          p.second_moment.empty() ? nullptr : p.second_moment.data()};
}

std::string Parameter::name() const { return layer + "/" + role_name(role); }

void update(Parameter& p, const OptimizerSettings& settings, const Phase& phase,
            std::uint64_t count) {
  const std::vector<std::uint8_t>& held = p.control.held;
  clear_held(held, p.gradient);
  quantize_in_place(p.on_gradient.get(), p.gradient, p.scratch, phase);
  clear_held(held, p.gradient);
  const double decay = p.role == QLOOM_ROLE_WEIGHT ? p.control.decay_factor : 0.0;
  const Step step(settings, p.control.rate_factor, decay, count);
  const bool is_adam = settings.type == OptimizerSettings::Type::kAdam;
  require_state(p.velocity, p.value.shape());
  if (is_adam) require_state(p.second_moment, p.value.shape());
  const bool is_one_pass = p.on_momentum == nullptr && held.empty();
  for_each_tile(p.value.size(), [&](std::uint64_t first, std::uint64_t n) {
    const Tile tile(p, is_adam, first);
    tile.moments(step, n);
    if (is_one_pass) tile.values(step, n);
  });
  if (!is_one_pass) {
    for (Tensor* moment : {&p.gradient, &p.velocity, &p.second_moment}) clear_held(held, *moment);
    quantize_in_place(p.on_momentum.get(), p.velocity, p.scratch, phase);
    clear_held(held, p.velocity);
    if (!held.empty()) p.kept = p.value;
    for_each_tile(p.value.size(), [&](std::uint64_t first, std::uint64_t n) {
      Tile(p, is_adam, first).values(step, n);
    });
  }
  quantize_in_place(p.on_update.get(), p.value, p.scratch, phase);
  for (std::size_t i = 0; i < held.size(); ++i) {
    if (held[i] != 0) p.value[i] = p.kept[i];
  }
}

void update(LearnedParameter& p, std::vector<float>& velocity, std::vector<float>& second,
            const OptimizerSettings& settings, std::uint64_t count) {
  const Step step(settings, p.rate_factor, p.decay_factor, count);
  velocity.resize(p.gradient.size(), 0.0F);
  second.resize(p.gradient.size(), 0.0F);
  for (std::size_t i = 0; i < p.gradient.size(); ++i) {
    step.moments(p.value[i], p.gradient[i], velocity[i], second[i]);
    p.value[i] = step.value(p.value[i], p.gradient[i], velocity[i], second[i]);
  }
}

}  // namespace qloom::network
