// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/compile/training/weights.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "host/tensor/random.hpp"

namespace qloom::compile {
namespace {

constexpr std::int64_t kFarAway = std::int64_t{1} << 20;  // of w: beyond any bounds of codes
constexpr int kRounds = 24;  // in which updates of all elements are compared; more of few elements
constexpr std::size_t kTriedUpdates = 8192;
constexpr std::size_t kMostRounds = 1024;

/// Values and gradients of all parameters while updates are tried, put back at the end.
class TriedUpdates {
 public:
  explicit TriedUpdates(const Training& training) : training_(training) {
    for (network::Parameter* p : training.network.parameters.list()) {
      kept_.push_back({p, p->value, p->gradient, std::move(p->on_gradient)});
      p->on_gradient = nullptr;
    }
  }
  TriedUpdates(const TriedUpdates&) = delete;
  TriedUpdates& operator=(const TriedUpdates&) = delete;
  ~TriedUpdates() {
    for (Kept& kept : kept_) {
      kept.parameter->value = kept.value;
      kept.parameter->gradient = kept.gradient;
      kept.parameter->on_gradient = std::move(kept.on_gradient);
    }
    training_.network.reset_optimizer();
  }

  /// The update at this step of w(element) and u(element), in units of 2^exponent.
  template <class W, class U>
  const Tensor& run(network::Parameter& p, int exponent, std::uint64_t step, const W& w,
                    const U& u) {
    for (std::size_t i = 0; i < p.value.size(); ++i) {
      p.value[i] = static_cast<float>(std::ldexp(static_cast<double>(w(i)), exponent));
      p.gradient[i] = static_cast<float>(std::ldexp(static_cast<double>(u(i)), exponent));
    }
    training_.update(step);
    return p.value;
  }

 private:
  struct Kept {
    network::Parameter* parameter;
    Tensor value, gradient;
    std::shared_ptr<SiteQuantizer> on_gradient;
  };
  const Training& training_;
  std::vector<Kept> kept_;
};

std::optional<std::int64_t> integer(float value, int exponent) {
  const double v = std::ldexp(double{value}, -exponent);
  if (v != std::nearbyint(v) || std::fabs(v) > 0x1p40) return std::nullopt;
  return static_cast<std::int64_t>(v);
}

/// Largest magnitude of what the gradient's quantizer gives.
std::int64_t largest_update(const Stochastic& gradient) {
  const int shift = *std::max_element(gradient.shifts.begin(), gradient.shifts.end());
  return step_program::largest_stochastic(shift);
}

struct TriedUpdate {
  std::int64_t w, u;
};

/// Update number i: all weights at and beside the bounds and 0 with all ends of an update; weights
/// within one update of a bound; any.
TriedUpdate tried_update(std::uint64_t i, Interval bounds, std::int64_t most) {
  const auto drawn = [i](std::uint64_t which, std::int64_t lo, std::int64_t hi) {
    const std::uint64_t word =
        std::uint64_t{random_word(1, which, 0, 2 * i)} << 32 | random_word(1, which, 0, 2 * i + 1);
    return lo + static_cast<std::int64_t>(word % static_cast<std::uint64_t>(hi - lo + 1));
  };
  const auto held = [bounds](std::int64_t w) { return std::clamp(w, bounds.lo, bounds.hi); };
  const std::int64_t weights[] = {bounds.lo, bounds.lo + 1, bounds.hi, bounds.hi - 1, -1, 0, 1};
  const std::int64_t updates[] = {0, 1, -1, most, -most, most - 1, 1 - most};
  constexpr std::size_t kWeights = std::size(weights), kUpdates = std::size(updates);
  if (i < kWeights * kUpdates) return {held(weights[i % kWeights]), updates[i / kWeights]};
  const std::int64_t u = drawn(1, -most, most);
  if (i % 4 == 0) return {held(bounds.lo + drawn(0, 0, 2 * most)), u};
  if (i % 4 == 1) return {held(bounds.hi - drawn(0, 0, 2 * most)), u};
  return {drawn(0, bounds.lo, bounds.hi), i % 4 == 2 ? u : updates[i / 4 % kUpdates]};
}

/// Is every update of this parameter w - u, clamped to the bounds?
std::string fault_of_update(TriedUpdates& tried, const Training& training, Weights& weights) {
  network::Parameter& p = *weights.parameter;
  const int e = weights.exponent;
  const auto end = [&](std::int64_t far) {
    return integer(tried.run(
                       p, e, 0, [=](std::size_t) { return far; },
                       [](std::size_t) { return std::int64_t{0}; })[0],
                   e);
  };
  const auto low = end(-kFarAway), high = end(kFarAway);
  if (!low || !high || *low > *high || *low <= -kFarAway || *high >= kFarAway) {
    return "its stored weights have no bounds on the grid of the updates";
  }
  weights.bounds = {*low, *high};
  const std::int64_t most = std::max<std::int64_t>(largest_update(weights.gradient), 1);
  const std::uint64_t last = training.epochs * training.steps_per_epoch - 1;
  const std::size_t size = p.value.size();
  const std::size_t rounds = std::clamp<std::size_t>(kTriedUpdates / size, kRounds, kMostRounds);
  for (std::size_t round = 0; round < rounds; ++round) {
    const auto of = [&](std::size_t i) {
      return tried_update(round * size + i, weights.bounds, most);
    };
    const std::uint64_t step = last * round / (rounds - 1);
    const Tensor& y = tried.run(
        p, e, step, [&](std::size_t i) { return of(i).w; }, [&](std::size_t i) { return of(i).u; });
    for (std::size_t i = 0; i < y.size(); ++i) {
      const auto [w, u] = of(i);
      const std::int64_t expected = std::clamp(w - u, *low, *high);
      if (integer(y[i], e) == expected) continue;
      return fmt::format("the update of {} by {} at step {} gives {}, not {} (units of 2^{})", w, u,
                         step, std::ldexp(double{y[i]}, -e), expected, e);
    }
  }
  return {};
}

/// The weights as integers; what is wrong with the first that is none.
std::string take_initial(Weights& weights) {
  const Tensor& value = weights.parameter->value;
  for (std::size_t i = 0; i < value.size(); ++i) {
    const auto v = integer(value[i], weights.exponent);
    const bool fits = v && *v >= weights.bounds.lo && *v <= weights.bounds.hi;
    if (!fits) {
      return fmt::format(
          "its weights begin off the grid of the updates: element {} is {}, expected a multiple of "
          "2^{} from {} to {}",
          i, value[i], weights.exponent, std::ldexp(double(weights.bounds.lo), weights.exponent),
          std::ldexp(double(weights.bounds.hi), weights.exponent));
    }
    weights.initial.push_back(*v);
  }
  return {};
}

std::string fault_of_gradient(const Training& training, Weights& weights) {
  network::Parameter& p = *weights.parameter;
  if (p.on_gradient == nullptr) return "its gradient is real: no rule at site gradient";
  network::Phase phase{.step = 3, .epoch = 0, .training = true, .learning_rate = 1};
  for (const int exponent : {0, -40}) {
    const auto found = find_stochastic({*p.on_gradient, p.shape, exponent, phase}, training.epochs);
    if (!found) {
      return fmt::format(
          "gradient: \"{}\" gives no integers that a power of two (2^-{} to 2^{}) of the largest "
          "magnitude and the words of the counter or of a shift register of 16 bits make",
          p.on_gradient->spec().quantizer.method->id, kMostRateShift, kMostRateShift);
    }
    weights.gradient = *found;
  }
  weights.exponent = weights.gradient.exponent;
  return {};
}

}  // namespace

WeightsByLayer weights_of(const Training& training, std::vector<Refusal>& refusals) {
  WeightsByLayer all;
  for (network::Parameter* p : training.network.parameters.list()) {
    if (p->role != QLOOM_ROLE_WEIGHT) {
      refusals.push_back(
          {p->layer,
           fmt::format("has a {}: a step holds weights alone", network::role_name(p->role)),
           {}});
      continue;
    }
    Weights weights{.parameter = p, .gradient = {}, .bounds = {}, .initial = {}};
    std::string fault = fault_of_gradient(training, weights);
    if (fault.empty() && (p->on_update != nullptr || p->on_momentum != nullptr)) {
      fault = "has a rule at site update or momentum: only the clamp of a procedure is known";
    }
    if (fault.empty()) {
      TriedUpdates tried(training);
      fault = fault_of_update(tried, training, weights);
    }
    if (fault.empty()) fault = take_initial(weights);
    if (fault.empty()) {
      all.emplace(p->layer, std::move(weights));
    } else {
      refusals.push_back({p->layer, fault, {}});
    }
  }
  return all;
}

}  // namespace qloom::compile
