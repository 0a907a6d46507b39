// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <cmath>

#include <qloom/channel_norm.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// 2^round(log2 v), v > 0. The exponent is read off the number: no logarithm that might fall on the
/// wrong side of sqrt(2) 2^j, where the result switches.
double nearest_power_of_two(double v) {
  int exponent = 0;
  const double fraction = std::frexp(v, &exponent);  // [0.5, 1)
  return std::ldexp(1.0, fraction < std::sqrt(0.5) ? exponent - 1 : exponent);
}

/// y = x / alpha, alpha one constant of the layer. WAGE, Wu et al. 2018, equation 7.
///
/// exactness: x * float(1 / alpha), which is x / alpha to the bit where alpha is a power of two
/// state:     none: alpha follows from the parameters and the layer
/// errors:    QLOOM_E_INVALID for "wage" where no contraction feeds the norm, or where 1 / alpha is
///            no normal float
class ConstScale {
 public:
  explicit ConstScale(const Params& params)
      : is_wage_(!is_number(params)),
        alpha_(is_wage_ ? 1.0 : params.number("/divisor")),
        limit_(std::ldexp(params.number("/beta"),
                          1 - static_cast<int>(params.integer("/weight_bits")))),
        gain_(params.number("/init_gain")) {}

  void begin(const qloom_norm_context& context) {
    if (is_wage_) alpha_ = wage_alpha(context.fan_in);
    inverse_ = static_cast<float>(1.0 / alpha_);
    if (!std::isnormal(inverse_)) {
      throw Error(QLOOM_E_INVALID, concat("/divisor: ", alpha_, " has no normal float32 inverse"));
    }
  }
  void prepare(const qloom_norm_call& call, const float*) { factor_ = quantized(call); }
  void apply(const qloom_norm_call& call, std::uint64_t, std::uint64_t rows, const float* x,
             float* y) const noexcept {
    vectorized([&, factor = factor_] {
      const std::uint64_t n = rows * call.channels;
      QLOOM_INDEPENDENT_STEPS
      for (std::uint64_t i = 0; i < n; ++i) y[i] = x[i] * factor;
    });
  }
  void backward(const qloom_norm_call& call, std::uint64_t first, std::uint64_t rows, const float*,
                const float* dy, float* dx) const noexcept {
    apply(call, first, rows, dy, dx);
  }
  void inference(const qloom_norm_call& call, float* scale, float* shift) const {
    std::fill_n(scale, call.channels, quantized(call));
    std::fill_n(shift, call.channels, 0.0F);
  }

 private:
  static bool is_number(const Params& params) {
    try {
      return params.number("/divisor") > 0;
    } catch (const Error&) {
      return false;  // the schema leaves "wage"
    }
  }
  /// max(Shift(L_min / L0), 1): how far weights of weight_bits bits had to be drawn too large.
  [[nodiscard]] double wage_alpha(std::uint64_t fan_in) const {
    if (fan_in == 0) {
      throw Error(QLOOM_E_INVALID, "/divisor: \"wage\" needs a layer with weights before the norm");
    }
    const double initial = std::sqrt(gain_ / static_cast<double>(fan_in));
    return std::max(nearest_power_of_two(limit_ / initial), 1.0);
  }
  [[nodiscard]] float quantized(const qloom_norm_call& call) const {
    std::vector<float> inverse{inverse_};
    quantize_slot(call, "inv_scale", inverse);
    return inverse[0];
  }

  bool is_wage_;
  double alpha_, limit_, gain_;
  float inverse_ = 1.0F, factor_ = 1.0F;  // factor_: the inverse as its slot quantizes it
};

}  // namespace

QLOOM_METHODS(qloom::sdk::Norm<ConstScale>)
