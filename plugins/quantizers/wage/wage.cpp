// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// WAGE (Wu, Li, Chen, Shi, 2018): weights, activations, gradients and errors as integers. Equation
// numbers are the paper's. Everywhere sigma(k) = 2^(1-k) is the grid step and the codes are
// symmetric, -(2^(k-1) - 1) .. 2^(k-1) - 1.
#include <algorithm>
#include <cmath>

#include <qloom/stochastic.h>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// Shift(x) = 2^round(log2 x), eq. 4, as an exponent; x > 0. With x = f 2^e and f in [0.5, 1) that
/// is e - 1 below the switch point f = 1 / sqrt 2 and e from there on: no logarithm, no doubt.
int shift_exponent(double x) {
  int exponent = 0;
  const double fraction = std::frexp(x, &exponent);
  return fraction < 0.70710678118654752 ? exponent - 1 : exponent;
}

/// Q(x, k) = clip(sigma round(x / sigma), -1 + sigma, 1 - sigma), eq. 2 and 3.
class Grid : public UniformGrid {
 public:
  static constexpr std::uint32_t kCaps = QLOOM_QUANTIZER_USES_ROUNDING;

  explicit Grid(const Params& params)
      : sigma_exponent_(1 - static_cast<int>(params.integer("/bits"))) {
    set_codes(params.integer("/bits"), true, true);
  }
  void prepare(const qloom_prepare& in) { set_input_scale(in.x.groups, 0); }

 protected:
  /// code = round(x 2^exponent / sigma), y = sigma code. The factor is cut to 2^127: a tensor whose
  /// largest magnitude is nearly subnormal becomes smaller or zero.
  void set_input_scale(std::uint64_t groups, int exponent) {
    resize(groups);
    const int input = std::min(exponent - sigma_exponent_, 127);
    for (std::uint64_t g = 0; g < groups; ++g) {
      set(g, std::ldexp(1.0F, sigma_exponent_), std::ldexp(1.0F, input));
    }
  }
  /// Largest magnitude of the tensor, over all groups; 0 where all is zero.
  static double largest(const qloom_prepare& in) {
    double value = 0;
    for (const double v : largest_magnitudes(in)) value = std::max(value, v);
    return value;
  }
  int sigma_exponent_;
};

/// W: the gradient passes unchanged, also where the weight was clipped.
class Weight : public Grid {
 public:
  using Grid::Grid;
  static bool accepts(const Params& params) { return params.text("/part") == "weight"; }
};

/// A: the gradient is zero outside [-1 + sigma, 1 - sigma].
class Activation : public Grid {
 public:
  using Grid::Grid;
  static bool accepts(const Params& params) { return params.text("/part") == "activation"; }

  void prepare(const qloom_prepare& in) {
    Grid::prepare(in);
    high_.assign(in.x.groups, 1.0F - std::ldexp(1.0F, sigma_exponent_));
    low_.assign(in.x.groups, -high_[0]);
  }
  void backward(const qloom_call&, const qloom_block& block, const float* x, const float* dy,
                float* dx, double*) const noexcept {
    kernels().clip_backward(low_.data(), high_.data(), &block, x, dy, dx);
  }

 private:
  std::vector<float> low_, high_;
};

/// E: Q(e / Shift(max |e|), k), eq. 9; the maximum is that of the whole tensor, the magnitude is
/// thrown away.
class ErrorSignal : public Grid {
 public:
  static constexpr std::uint32_t kCaps =
      QLOOM_QUANTIZER_USES_ROUNDING | QLOOM_QUANTIZER_WANTS_EXTREMES;
  using Grid::Grid;
  static bool accepts(const Params& params) { return params.text("/part") == "error"; }

  void prepare(const qloom_prepare& in) {
    const double max = largest(in);
    set_input_scale(in.x.groups, max > 0 ? -shift_exponent(max) : 0);
  }
};

/// G: sigma(k) times the stochastically rounded g_s = eta g / Shift(max |g|), eq. 10 and 11:
/// sign(g_s) (floor|g_s| + Bernoulli(|g_s| - floor|g_s|)). The
/// optimizer's learning rate must be 1: eta acts here. |g_s| < eta sqrt 2, so the codes have k
/// bits, or more where eta asks for them; nothing is clipped.
class GradientGrid : public Grid {
 public:
  static constexpr std::uint32_t kCaps = QLOOM_QUANTIZER_WANTS_EXTREMES;
  static bool accepts(const Params& params) { return params.text("/part") == "gradient"; }

  explicit GradientGrid(const Params& params) : Grid(params) {
    add_rate(params, 0, "/learning_rate");
    for (std::uint64_t i = 0; i < params.size("/learning_rate_steps"); ++i) {
      const std::string step = concat("/learning_rate_steps/", i);
      add_rate(params, static_cast<std::uint64_t>(params.integer((step + "/epoch").c_str())),
               step + "/learning_rate");
    }
    const double largest_step = std::ceil(std::ldexp(std::sqrt(2.0), largest_rate_exponent_));
    std::int64_t bits = params.integer("/bits");
    while (std::ldexp(1.0, static_cast<int>(bits) - 1) - 1 < largest_step) ++bits;
    set_codes(bits, true, true);
  }

  void prepare(const qloom_prepare& in) {
    const double max = largest(in);
    int rate = rates_.front().exponent;
    for (const Rate& r : rates_) {
      if (in.epoch >= r.epoch) rate = r.exponent;
    }
    // round(g eta / Shift): the step sigma belongs to the output alone.
    set_input_scale(in.x.groups, (max > 0 ? rate - shift_exponent(max) : 0) + sigma_exponent_);
  }

 private:
  struct Rate {
    std::uint64_t epoch;
    int exponent;  // eta = 2^exponent from this epoch on
  };

  void add_rate(const Params& params, std::uint64_t epoch, const std::string& pointer) {
    const double rate = params.number(pointer.c_str());
    int exponent = 0;
    if (std::frexp(rate, &exponent) != 0.5) {
      throw Error(QLOOM_E_INVALID, concat(pointer, ": ", rate, " is not a power of two"));
    }
    largest_rate_exponent_ =
        rates_.empty() ? exponent - 1 : std::max(largest_rate_exponent_, exponent - 1);
    rates_.push_back({epoch, exponent - 1});
  }

  std::vector<Rate> rates_;
  int largest_rate_exponent_ = 0;
};

/// The same with another rounding of magnitudes than Grid's.
template <class Own>
class RoundedGradient : public GradientGrid {
 public:
  using GradientGrid::GradientGrid;
  qloom_status apply(const qloom_call& call, const qloom_block& block, const float* x,
                     float* y) const noexcept {
    return Grid::apply(rounded(call), block, x, y);
  }
  qloom_status encode(const qloom_call& call, const qloom_block& block, const float* x,
                      std::int32_t* code) const noexcept {
    return Grid::encode(rounded(call), block, x, code);
  }

 private:
  [[nodiscard]] qloom_call rounded(const qloom_call& call) const noexcept {
    qloom_call own = call;
    own.rounding = static_cast<const Own*>(this)->rounding(call);
    return own;
  }
};

/// rounding "stochastic": with random words of its own, whatever the rule's rounding is.
class Gradient : public RoundedGradient<Gradient> {
 public:
  explicit Gradient(const Params& params)
      : RoundedGradient(params),
        random_bits_(static_cast<std::uint32_t>(params.integer("/random_bits"))) {}
  static bool accepts(const Params& params) {
    return GradientGrid::accepts(params) && params.text("/rounding") == "stochastic";
  }
  [[nodiscard]] qloom_rounding_ref rounding(const qloom_call&) const noexcept {
    return {nullptr, nullptr, QLOOM_ROUND_STOCHASTIC, random_bits_ | QLOOM_STOCHASTIC_MAGNITUDE};
  }

 private:
  std::uint32_t random_bits_;
};

/// rounding "rule": the rule's; one that draws has magnitudes.
class RuledGradient : public RoundedGradient<RuledGradient> {
 public:
  static constexpr std::uint32_t kCaps = GradientGrid::kCaps | QLOOM_QUANTIZER_USES_ROUNDING;
  using RoundedGradient::RoundedGradient;
  static bool accepts(const Params& params) {
    return GradientGrid::accepts(params) && params.text("/rounding") == "rule";
  }
  [[nodiscard]] qloom_rounding_ref rounding(const qloom_call& call) const noexcept {
    qloom_rounding_ref own = call.rounding;
    if (own.rule == QLOOM_ROUND_STOCHASTIC || own.rule == QLOOM_ROUND_GENERIC) {
      own.argument |= std::uint32_t{QLOOM_STOCHASTIC_MAGNITUDE};
    }
    return own;
  }
};

}  // namespace

QLOOM_METHODS(QuantizerVariants<Weight, Activation, ErrorSignal, Gradient, RuledGradient>)
