// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Straight-through estimators: what stands for the derivative of a step, which is 0.
#pragma once

#include <cmath>
#include <cstdint>
#include <iterator>
#include <string>

#include <qloom/vectorized.hpp>

namespace qloom::sdk {

/// dx = dy * slope(x), with c the "end":
///   identity      1
///   relu          1 where x > 0
///   clipped_relu  1 where 0 < x <= c
///   log_tailed    1 where 0 < x <= c, 1 / (x - c + 1) where x > c
///   hard_tanh     1 where |x| <= c
///   approx_sign   2 - 2 |x| where |x| <= 1 (Bi-Real Net)
///   swish_sign    b (2 - b x tanh(b x / 2)) / (1 + cosh(b x)), b = 5 (BNN+)
/// and 0 elsewhere. Where not inclusive, c itself counts as outside.
/// exactness: dx is dy or +0 where the slope is 1 or 0; swish_sign is computed in double and
/// rounded
///            once, the others in float
class StraightThrough {
 public:
  StraightThrough(const std::string& word, float limit, bool is_inclusive)
      : rule_(rule_of(word)), tau_(limit - 1.0F) {
    limit_ = is_inclusive ? limit : std::nextafter(limit, 0.0F);
  }
  /// Of the parameters "ste", "end" and "ste_inclusive".
  explicit StraightThrough(const Params& params)
      : StraightThrough(params.text("/ste"), static_cast<float>(params.number("/end")),
                        params.flag("/ste_inclusive")) {}

  /// dx may be dy.
  void backward(std::uint64_t n, const float* x, const float* dy, float* dx) const noexcept {
    const auto each = [&](const auto& gradient) {
      vectorized([&] {
        QLOOM_INDEPENDENT_STEPS
        for (std::uint64_t i = 0; i < n; ++i) dx[i] = gradient(x[i], dy[i]);
      });
    };
    const float c = limit_, tau = tau_;
    switch (rule_) {
      case Rule::kIdentity:
        return pass_through(dy, dx, n);
      case Rule::kRelu:
        return each([](float v, float g) { return v > 0.0F ? g : 0.0F; });
      case Rule::kClippedRelu:
        return each([=](float v, float g) { return v > 0.0F && v <= c ? g : 0.0F; });
      case Rule::kLogTailed:
        return each([=](float v, float g) {
          const float tail = g / (v - tau), rising = v <= c ? g : tail;
          return v > 0.0F ? rising : 0.0F;
        });
      case Rule::kHardTanh:
        return each([=](float v, float g) { return v >= -c && v <= c ? g : 0.0F; });
      case Rule::kApproxSign:
        return each([](float v, float g) {
          const float slope = 2.0F - 2.0F * std::fabs(v);
          return slope > 0.0F ? g * slope : 0.0F;
        });
      case Rule::kSwishSign:
        return each([](float v, float g) { return static_cast<float>(g * swish_slope(v)); });
    }
  }

 private:
  enum class Rule {
    kIdentity,
    kRelu,
    kClippedRelu,
    kLogTailed,
    kHardTanh,
    kApproxSign,
    kSwishSign
  };
  static Rule rule_of(const std::string& word) {
    constexpr const char* kWords[] = {"identity",  "relu",        "clipped_relu", "log_tailed",
                                      "hard_tanh", "approx_sign", "swish_sign"};
    for (std::size_t i = 0; i < std::size(kWords); ++i) {
      if (word == kWords[i]) return static_cast<Rule>(i);
    }
    throw Error(QLOOM_E_INVALID, concat("/ste: no straight-through estimator \"", word, "\""));
  }
  /// With e = exp(-u), u = b |x|: tanh(u / 2) = (1 - e) / (1 + e), 1 + cosh(u) = (1 + e)^2 / (2 e).
  static double swish_slope(double x) noexcept {
    constexpr double kB = 5.0, kFlat = 1000.0;  // exp(-kFlat) is 0 in double
    const double u = kB * std::fabs(x);
    if (!(u < kFlat)) return 0.0;
    const double e = std::exp(-u), sum = 1.0 + e;
    return kB * (2.0 - u * (1.0 - e) / sum) * 2.0 * e / (sum * sum);
  }

  Rule rule_;
  float tau_, limit_ = 0.0F;  // limit_: the largest magnitude inside
};

}  // namespace qloom::sdk
