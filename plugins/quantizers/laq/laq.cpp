// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Loss-aware weight quantization (Hou, Zhang, Kwok, 2019; Hou, Kwok, 2018).
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>

#include <qloom/grids/levels.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

constexpr double kCurvatureFloor = 1e-8;  // added to sqrt(v), so that a weight never counts nothing
constexpr double kTolerance = 1e-6;

/// y = a b with the least sum D (w - a b)^2, D = sqrt(v) + 1e-8, v Adam's second moment: in turn b
/// the nearest level to w / a and a = sum D b w / sum D b^2, from a = sum D |w| / sum D on.
/// Levels: -1, 1 (bits 1); i / n, i = -n .. n, n = 2^(bits - 1) - 1 otherwise, ternary at 2 bits.
/// A tie goes to the even i; at 1 bit 0 goes to 1.
/// backward:  straight through
/// exactness: sums in double in the order of the elements; a is rounded to float once
class Laq : public Levels {
 public:
  static constexpr std::uint32_t kCaps = QLOOM_QUANTIZER_WANTS_TENSOR;

  explicit Laq(const Params& params)
      : n_(params.integer("/bits") == 1 ? 1 : (1 << (params.integer("/bits") - 1)) - 1),
        is_binary_(params.integer("/bits") == 1),
        importance_(params.text("/importance")),
        max_iterations_(params.integer("/max_iterations")) {}

  void prepare(const qloom_prepare& in) {
    require_finite(in.x);
    const float* const importance = importance_of(in);
    begin(in.x.groups, is_binary_ ? 2 : static_cast<std::size_t>(2 * n_ + 1));
    for (std::uint64_t g = 0; g < in.x.groups; ++g) {
      place(g, static_cast<float>(scale_of(in, importance, g)));
    }
  }

 private:
  [[nodiscard]] const float* importance_of(const qloom_prepare& in) const {
    if (importance_ == "ones") return nullptr;
    const float* const found = importance_ == "adam" ? in.second_moment : in.importance;
    // The first step comes before the first second moment.
    if (found == nullptr && (importance_ == "given" || in.step > 0)) {
      throw Error(QLOOM_E_INVALID, importance_ == "adam"
                                       ? "importance adam: the tensor has no second moment; "
                                         "expected the optimizer adam"
                                       : "importance given: no procedure has given any");
    }
    return found;
  }
  [[nodiscard]] double level_of(double t) const noexcept {
    if (is_binary_) return t < 0 ? -1.0 : 1.0;
    return std::nearbyint(std::clamp(t, -1.0, 1.0) * n_) / n_;
  }
  [[nodiscard]] double scale_of(const qloom_prepare& in, const float* importance,
                                std::uint64_t group) const {
    const auto weighted = [&](const auto& term) {  // sum of D term(w), sum of D times its square
      double sum = 0, squares = 0;
      for (std::uint64_t i = 0; i < in.x.n; ++i) {
        if (i / in.x.inner % in.x.groups != group) continue;
        const double h = importance == nullptr ? 1.0
                         : importance_ == "adam"
                             ? std::sqrt(double{importance[i]}) + kCurvatureFloor
                             : double{importance[i]} + kCurvatureFloor;
        const double w = in.x.data[i], b = term(w);
        sum += h * b * w;
        squares += h * b * b;
      }
      return squares > 0 ? sum / squares : 0.0;
    };
    double a = weighted([](double w) { return w < 0 ? -1.0 : 1.0; });
    for (std::int64_t i = 0; i < max_iterations_ && a > 0; ++i) {
      const double next = weighted([&](double w) { return level_of(w / a); });
      const bool is_over = std::fabs(next - a) <= kTolerance * a;
      a = next;
      if (is_over) break;
    }
    return a;
  }
  void place(std::uint64_t group, float a) {
    float* const level = levels(group);
    float* const threshold = thresholds(group);
    if (is_binary_) {
      level[0] = -a;
      level[1] = a;
      threshold[0] = just_below(0.0F);
      return;
    }
    for (std::int32_t i = -n_; i <= n_; ++i) {
      level[i + n_] = static_cast<float>(double{a} * i / n_);
      if (i == n_) continue;
      const double middle = double{a} * (2 * i + 1) / (2.0 * n_);
      threshold[i + n_] = i % 2 == 0 ? not_above(middle) : below_all_from(middle);
    }
  }

  std::int32_t n_;
  bool is_binary_;
  std::string importance_;
  std::int64_t max_iterations_;
};

}  // namespace

QLOOM_METHODS(Quantizer<Laq>)
