// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Binary-Weight-Networks (Rastegari, Ordonez, Redmon, Farhadi, 2016): w -> alpha sign(w).
#include <array>
#include <cmath>
#include <vector>

#include <qloom/grids/sign_grid.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// Per group of n weights: alpha = mean |w|, which minimises sum (w - alpha sign w)^2.
/// backward, with s = 1 / n and m = alpha where |w| <= 1, else 0:
///   paper:     dx = dy (m + s)
///   code:      dx = dy (m + s) n (1 - 1 / inputs), and m is 0 at |w| = 1 too; the last factor is
///              that of centred weights, 1 where there is one input alone
///   identity:  dx = dy
class Bwn : public SignGrid {
 public:
  static constexpr std::uint32_t kCaps = QLOOM_QUANTIZER_WANTS_TENSOR;
  static bool accepts(const Params& params) { return params.text("/grad_mode") != "exact"; }

  explicit Bwn(const Params& params)
      : is_identity_(params.text("/grad_mode") == "identity"),
        is_code_(params.text("/grad_mode") == "code") {}

  void prepare(const qloom_prepare& in) {
    place_means(in.x);
    const auto counts = reduce(in.x, QLOOM_REDUCE_COUNT);
    const auto inputs = static_cast<double>(in.x.shape[in.x.rank - 1]);
    const double centred = inputs > 1 ? 1.0 - 1.0 / inputs : 1.0;
    factors_.resize(counts.size());
    for (std::size_t g = 0; g < factors_.size(); ++g) {
      const double n = counts[g], all = is_code_ ? centred * n : 1.0;
      factors_[g] = {magnitude_[g], static_cast<float>(1.0 / n), static_cast<float>(all)};
    }
  }
  void backward(const qloom_call&, const qloom_block& block, const float* x, const float* dy,
                float* dx, double*) const noexcept {
    if (is_identity_) return pass_through(dy, dx, block.n);
    const float limit = is_code_ ? std::nextafter(1.0F, 0.0F) : 1.0F;
    for_each_element(block, entry_of(factors_), [=](const Factors& f, std::uint64_t i) {
      const float m = std::fabs(x[i]) <= limit ? f.alpha : 0.0F;
      dx[i] = dy[i] * ((m + f.share) * f.all);
    });
  }

 protected:
  struct Factors {
    float alpha, share, all;  // share: 1 / n
  };
  std::vector<Factors> factors_;  // per group

 private:
  bool is_identity_, is_code_;
};

/// dx_i = sign(w_i) / n sum_j dy_j sign(w_j) + dy_i m_i: the derivative of alpha(w) sign(w) with
/// clip(w, -1, 1) in place of the sign.
class BwnExact : public Bwn {
 public:
  static constexpr std::uint32_t kCaps = Bwn::kCaps | QLOOM_QUANTIZER_WHOLE_BACKWARD;
  static bool accepts(const Params& params) { return !Bwn::accepts(params); }
  using Bwn::Bwn;

  void backward_prepare(const qloom_tensor& x, const qloom_tensor& dy) {
    const auto none = [](std::uint64_t) { return 0; };
    const auto dots = sum_groups(x, scratch_, none, [&](int, std::uint64_t i) {
      return std::array{x.data[i] < 0 ? -dy.data[i] : dy.data[i]};
    });
    of_alpha_.resize(dots.size());
    for (std::size_t g = 0; g < dots.size(); ++g) {
      of_alpha_[g] = {magnitude_[g], static_cast<float>(dots[g] * double{factors_[g].share})};
    }
  }
  void backward(const qloom_call&, const qloom_block& block, const float* x, const float* dy,
                float* dx, double*) const noexcept {
    for_each_element(block, entry_of(of_alpha_), [=](const OfAlpha& a, std::uint64_t i) {
      const float through = std::fabs(x[i]) <= 1.0F ? a.alpha * dy[i] : 0.0F;
      dx[i] = (x[i] < 0 ? -a.gradient : a.gradient) + through;
    });
  }

 private:
  struct OfAlpha {
    float alpha, gradient;  // gradient: 1 / n sum dy sign(w)
  };
  std::vector<OfAlpha> of_alpha_;  // per group
  std::vector<double> scratch_;
};

}  // namespace

QLOOM_METHODS(QuantizerVariants<Bwn, BwnExact>)
