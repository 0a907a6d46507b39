// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// QIL (Jung et al., 2019): the interval of magnitudes that is quantized is learned.
#include <algorithm>
#include <array>
#include <cmath>

#include <qloom/learned_values.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// weight:      a = |x|, s = sign(x);  activation: a = x, s = 1, gamma = 1
/// transform:   u = (a - c) / (2 d) + 1/2;  v = 0 for u < 0, s for u > 1, else s * u^gamma
/// discretize:  y = round(v * q) / q, q = 2^(bits-1) - 1 for weights, 2^bits - 1 for activations
///
/// Values below the interval [c - d, c + d] are pruned, those above it clipped; the output stays
/// in [-1, 1]. The transformer is computed in double.
/// backward:  0 <= u <= 1, else all zero, the rounding passed straight through:
///            dv/dx = gamma u^(gamma-1) / (2 d);  dv/dc = -s dv/dx;  dv/dd = -s dv/dx (a - c) / d;
///            dv/dgamma = s u^gamma ln u; u at least 1e-6 in these
/// encoding:  affine on the output grid, codes -q .. q or 0 .. q, scale 1 / q
/// state:     center c, half-width d, gamma and max|x| of the first tensor, one each per group
class Qil : public UniformGrid, public LearnedValues<3> {
  enum : std::size_t { kCenter, kHalfWidth, kGamma };  // of learned_
  /// The transformer of one group.
  struct Interval {
    double center, half_inverse, gamma;                    // c, 1 / (2 d)
    [[nodiscard]] double place(double a) const noexcept {  // u, not yet cut to [0, 1]
      return (a - center) * half_inverse + 0.5;
    }
  };
  [[nodiscard]] auto intervals() const noexcept {
    return [center = learned_[kCenter].data(), half_inverse = half_inverse_.data(),
            gamma = learned_[kGamma].data()](std::uint64_t g) {
      return Interval{center[g], half_inverse[g], gamma[g]};
    };
  }

 public:
  static constexpr std::uint32_t kCaps =
      QLOOM_QUANTIZER_WANTS_FIRST_TENSOR | QLOOM_QUANTIZER_USES_ROUNDING;
  /// Sums over g = dy s u^(gamma-1): of g, of g (a - c), and d gamma.
  static constexpr std::uint64_t kSumsPerGroup = 3;

  explicit Qil(const Params& params)
      : LearnedValues({"center", "half_width", "gamma"}, params.number("/rate_factor")),
        is_weight_(params.text("/part") == "weight"),
        trains_gamma_(params.flag("/gamma_trainable")),
        first_gamma_(static_cast<float>(params.number("/gamma"))),
        first_center_(static_cast<float>(params.number_or("/initial_center", -1.0))),
        first_half_width_(static_cast<float>(params.number_or("/initial_half_width", 0.0))) {
    trained_ = trains_gamma_ ? 3 : 2;
    const std::int64_t bits = params.integer("/bits");
    if (is_weight_ && bits < 2) {
      throw Error(QLOOM_E_INVALID, concat("/bits: ", bits, ", expected 2 or more for weights"));
    }
    if (!is_weight_ && (trains_gamma_ || first_gamma_ != 1.0F)) {
      throw Error(QLOOM_E_INVALID, concat(trains_gamma_ ? "/gamma_trainable: true" : "/gamma: ",
                                          trains_gamma_ ? "" : concat(first_gamma_),
                                          ", expected gamma 1, not trained, for activations"));
    }
    set_codes(bits, is_weight_, is_weight_);
  }

  void prepare(const qloom_prepare& in) {
    if (is_first_tensor()) initialise(in.x);
    require_groups(in.x);
    resize(in.x.groups);
    for (auto* of_group : {&half_inverse_, &lowest_, &highest_}) of_group->resize(in.x.groups);
    is_linear_ = !trains_gamma_;
    for (std::size_t g = 0; g < in.x.groups; ++g) {
      set(g, 1.0F / max_, max_);
      half_inverse_[g] = 0.5 / double{learned_[kHalfWidth][g]};
      find_reach(g);
      is_linear_ = is_linear_ && learned_[kGamma][g] == 1.0F;
    }
  }

  qloom_status apply(const qloom_call& call, const qloom_block& block, const float* x,
                     float* y) const noexcept {
    return discretize(call, block, x, y, nullptr);
  }
  qloom_status encode(const qloom_call& call, const qloom_block& block, const float* x,
                      std::int32_t* code) const noexcept {
    return discretize(call, block, x, nullptr, code);
  }

  void backward(const qloom_call&, const qloom_block& block, const float* x, const float* dy,
                float* dx, double* sums) const noexcept {
    if (!is_linear_) {
      add_gradients(block, x, dy, dx, sums);
    } else if (is_weight_) {
      add_linear_gradients<true>(block, x, dy, dx, sums);
    } else {
      add_linear_gradients<false>(block, x, dy, dx, sums);
    }
  }

  void learned_gradients(const double* sums, std::uint64_t groups, float* const* gradients) {
    for (std::uint64_t g = 0; g < groups; ++g) {
      const double* sum = sums + g * kSumsPerGroup;
      const double slope = learned_[kGamma][g] * half_inverse_[g];
      gradients[0][g] = static_cast<float>(-slope * sum[0]);
      gradients[1][g] = static_cast<float>(-slope / learned_[kHalfWidth][g] * sum[1]);
      if (trains_gamma_) gradients[2][g] = static_cast<float>(sum[2]);
    }
  }
  void after_update() {
    keep_finite_and_above(kCenter, 0.0F);
    keep_finite_and_above(kHalfWidth, 0.0F);
    keep_finite_and_above(kGamma, 0.1F);
    for (std::size_t g = 0; g < largest_.size(); ++g) {
      learned_[kHalfWidth][g] = std::max(learned_[kHalfWidth][g], 1e-3F * largest_[g]);
      learned_[kGamma][g] = std::min(learned_[kGamma][g], 10.0F);
    }
  }
  template <class Archive>
  void state(Archive& archive) {
    LearnedValues::state(archive);
    archive("largest", largest_);
    if (largest_.size() == learned_[kCenter].size()) return;
    throw Error(QLOOM_E_STATE, concat("state \"largest\" has ", largest_.size(),
                                      " values, \"center\" ", learned_[kCenter].size()));
  }

 private:
  void add_gradients(const qloom_block& block, const float* x, const float* dy, float* dx,
                     double* sums) const noexcept {
    const bool is_weight = is_weight_, trains_gamma = trains_gamma_;
    sum_elements<kSumsPerGroup>(
        block, sums, intervals(), [=](const Interval& interval, std::uint64_t i) {
          const double a = is_weight ? std::fabs(x[i]) : x[i];
          const double place = interval.place(a);
          const bool is_inside = place >= 0.0 && place <= 1.0;
          const double above = place > kLowestU ? place : kLowestU, u = above < 1.0 ? above : 1.0;
          const double power = std::pow(u, interval.gamma), ratio = power / u;
          const double slope = interval.gamma * ratio * interval.half_inverse;
          const float g = dy[i], signed_g = is_weight && x[i] < 0.0F ? -g : g;
          dx[i] = is_inside ? static_cast<float>(g * slope) : 0.0F;
          const double own = is_inside ? signed_g : 0.0, to_center = own * ratio;
          const double to_gamma = trains_gamma ? own * power * std::log(u) : 0.0;
          return std::array{to_center, to_center * (a - interval.center), to_gamma};
        });
  }

  /// The same where gamma is 1 and not trained: without a third sum.
  template <bool kIsWeight>
  void add_linear_gradients(const qloom_block& block, const float* x, const float* dy, float* dx,
                            double* sums) const noexcept {
    struct Linear {
      double center, lowest, highest, slope;
    };
    const auto of_group = [center = learned_[kCenter].data(), lowest = lowest_.data(),
                           highest = highest_.data(),
                           slope = half_inverse_.data()](std::uint64_t g) {
      return Linear{center[g], lowest[g], highest[g], slope[g]};
    };
    const auto gradient = [=](const Linear& line, std::uint64_t i) {
      const float v = x[i], g = dy[i], change = static_cast<float>(g * line.slope);
      const double distance = (kIsWeight ? std::fabs(v) : v) - line.center;
      const bool is_inside = distance >= line.lowest && distance <= line.highest;
      const float passed = is_inside ? g : 0.0F, own_change = is_inside ? change : 0.0F;
      const double own = kIsWeight && v < 0.0F ? -passed : passed;
      dx[i] = own_change;
      return std::array{own, own * distance};
    };
    sum_elements<kSumsPerGroup>(block, sums, of_group, gradient, x, dy, dx);
  }

  /// The least and the greatest a - c with 0 <= u <= 1: as u is computed it never falls with a - c,
  /// or never rises where a step made d negative. None where d is 0.
  void find_reach(std::size_t group) {
    const double half_inverse = half_inverse_[group];
    const Interval around{0.0, std::fabs(half_inverse), 1.0};
    lowest_[group] = HUGE_VAL;
    highest_[group] = -HUGE_VAL;
    if (!std::isfinite(half_inverse)) return;
    double lowest = -0.5 / around.half_inverse, highest = -lowest;
    while (around.place(lowest) < 0.0) lowest = std::nextafter(lowest, HUGE_VAL);
    while (around.place(std::nextafter(lowest, -HUGE_VAL)) >= 0.0) {
      lowest = std::nextafter(lowest, -HUGE_VAL);
    }
    while (around.place(highest) > 1.0) highest = std::nextafter(highest, -HUGE_VAL);
    while (around.place(std::nextafter(highest, HUGE_VAL)) <= 1.0) {
      highest = std::nextafter(highest, HUGE_VAL);
    }
    lowest_[group] = half_inverse < 0 ? -highest : lowest;
    highest_[group] = half_inverse < 0 ? -lowest : highest;
  }

  /// The interval [0, max|x|] unless the parameters say otherwise; [0, 1] for a group of zeros.
  void initialise(const qloom_tensor& x) {
    require_first_tensor(x);
    for (std::vector<float>& values : learned_) values.assign(x.groups, first_gamma_);
    for (const double own : reduce(x, is_weight_ ? QLOOM_REDUCE_ABS_MAX : QLOOM_REDUCE_MAX)) {
      const auto largest = static_cast<float>(own);  // subnormals as zeros: 1 / d overflows
      largest_.push_back(largest > 0.0F && std::isnormal(largest) ? largest : 1.0F);
    }
    for (std::size_t g = 0; g < largest_.size(); ++g) {
      const float half = 0.5F * largest_[g];
      learned_[kCenter][g] = first_center_ >= 0 ? first_center_ : half;
      learned_[kHalfWidth][g] = first_half_width_ > 0 ? first_half_width_ : half;
    }
  }

  qloom_status discretize(const qloom_call& call, const qloom_block& block, const float* x,
                          float* y, std::int32_t* code) const noexcept {
    const qloom_grid output = grid();
    return for_each_piece(block, [&](const qloom_block& piece, std::uint64_t first) {
      float v[kPieceElements];
      if (is_linear_) {
        transform<true>(piece, x + first, v);
      } else {
        transform<false>(piece, x + first, v);
      }
      return kernels().affine(&call, &output, &piece, v, y == nullptr ? nullptr : y + first,
                              code == nullptr ? nullptr : code + first);
    });
  }
  /// kIsLinear: gamma is 1.
  template <bool kIsLinear>
  void transform(const qloom_block& piece, const float* x, float* v) const noexcept {
    const bool is_weight = is_weight_;
    for_each_element(piece, intervals(), [=](const Interval& interval, std::uint64_t i) {
      const double place = interval.place(is_weight ? std::fabs(x[i]) : x[i]);
      const double above = place > 0.0 ? place : 0.0, u = above < 1.0 ? above : 1.0;
      const auto w = static_cast<float>(kIsLinear ? u : std::pow(u, interval.gamma));
      v[i] = is_weight ? std::copysign(w, x[i]) : w;
    });
  }

  static constexpr double kLowestU = 1e-6;  // bounds the slope for gamma below 1

  bool is_weight_, trains_gamma_;
  float first_gamma_;
  float first_center_;                    // below 0: from the first tensor
  float first_half_width_;                // 0: from the first tensor
  std::vector<float> largest_;            // max|x| of the first tensor
  std::vector<double> half_inverse_;      // 1 / (2 d)
  std::vector<double> lowest_, highest_;  // bounds of a - c
  bool is_linear_ = false;                // gamma is 1 everywhere and stays
};

}  // namespace

QLOOM_METHODS(Quantizer<Qil>)
