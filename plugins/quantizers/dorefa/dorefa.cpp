// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// DoReFa-Net (Zhou et al., 2016): weights, activations and gradients of a few bits. Everywhere
// n = 2^bits - 1 and quantize_k(r) = round(n r) / n for r in [0, 1].
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include <qloom/elementary.hpp>
#include <qloom/grids/sign_grid.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

bool is_part(const Params& params, const char* part) { return params.text("/part") == part; }

/// 1 - tanh(w)^2 = 4 e / (1 + e)^2, e = exp(-2 |w|). From tanh itself nothing is left for |w| > 9
/// and 6 % are lost at 8, where tanh rounds to 1 - 2^-22.
float tanh_slope(float w) noexcept {
  const float e = elementary::exp(-2.0 * std::fabs(w)), sum = 1.0F + e;
  return 4.0F * e / (sum * sum);
}

/// Weights of one bit: y = E sign(w), E = mean |w| per group, sign(0) = +1. Codes -1 and +1; a
/// group of zeros has codes 0. The gradient passes unchanged.
class BinaryWeight : public SignGrid {
 public:
  static constexpr std::uint32_t kCaps = QLOOM_QUANTIZER_WANTS_TENSOR;
  static bool accepts(const Params& params) {
    return is_part(params, "weight") && params.integer("/bits") == 1;
  }
  explicit BinaryWeight(const Params&) {}

  void prepare(const qloom_prepare& in) { place_means(in.x); }
};

/// Weights of 2 bits or more, per group, in float:
///   t = tanh(w);  M = max |t|;  u = t / (2 M) + 1/2;  y = 2 quantize_k(u) - 1
/// backward: straight through the rounding only,
///   dx_i = dy_i (1 - t_i^2) / M  -  [i = argmax |t|] sign(t_i) (1 - t_i^2) (sum_j dy_j t_j) / M^2,
///   the second term only with max_grad; of several largest weights the one of lowest index has it;
///   1 - t^2 is tanh_slope(w), to a few roundings for every w
/// encoding: odd codes 2 c - n with scale 1/n, c = n quantize_k(u); c is what `bits` bits store.
///   A group of zeros has u = 1/2, as w = 0 always has: +1/n; its gradient is 0. So has a group of
///   subnormals: 1 / M is no float32.
class Weight : public UniformGrid {
 public:
  static constexpr std::uint32_t kCaps = QLOOM_QUANTIZER_WANTS_EXTREMES |
                                         QLOOM_QUANTIZER_USES_ROUNDING |
                                         QLOOM_QUANTIZER_WHOLE_BACKWARD;
  static bool accepts(const Params& params) {
    return is_part(params, "weight") && params.integer("/bits") > 1;
  }
  explicit Weight(const Params& params)
      : n_(static_cast<float>((1 << params.integer("/bits")) - 1)),
        has_max_grad_(params.flag("/max_grad")) {
    set_codes(params.integer("/bits"), -n_, n_);
  }

  void prepare(const qloom_prepare& in) {
    const auto largest = largest_magnitudes(in);
    resize(in.x.groups);
    largest_.resize(in.x.groups);
    for (std::size_t g = 0; g < largest_.size(); ++g) {
      set(g, 1.0F / n_, n_);
      const float top =
          elementary::tanh(static_cast<float>(largest[g]));  // tanh rises: max |tanh w|
      largest_[g] = std::isnormal(top) ? top : 0.0F;
    }
  }
  qloom_status encode(const qloom_call& call, const qloom_block& block, const float* x,
                      std::int32_t* code) const noexcept {
    return for_each_piece(block, [&](const qloom_block& piece, std::uint64_t first) {
      float t[kPieceElements];
      for_each_element(piece, entry_of(largest_), [=, n = n_, &t](float max, std::uint64_t i) {
        t[i] = n * (max > 0 ? elementary::tanh(x[first + i]) / (2.0F * max) + 0.5F : 0.5F);
      });
      const qloom_status status = kernels().round(&call, piece.first, t, t, piece.n);
      for (std::uint64_t i = 0; i < piece.n; ++i) {
        code[first + i] = static_cast<std::int32_t>(2.0F * std::clamp(t[i], 0.0F, n_) - n_);
      }
      return status;
    });
  }
  qloom_status apply(const qloom_call& call, const qloom_block& block, const float* x,
                     float* y) const noexcept {
    return apply_by_codes(*this, call, block, x, y);
  }

  void backward_prepare(const qloom_tensor& x, const qloom_tensor& dy) {
    if (!has_max_grad_) return;
    const auto none = [](std::uint64_t) { return 0; };
    dot_ = sum_groups(x, scratch_, none, [&](int, std::uint64_t i) {
      return std::array{dy.data[i] * elementary::tanh(x.data[i])};
    });
    argmax_ = places_of_largest_magnitudes(x);
  }
  void backward(const qloom_call&, const qloom_block& block, const float* x, const float* dy,
                float* dx, double*) const noexcept {
    for_each_run(block, [&](std::uint64_t begin, std::uint64_t count, std::uint64_t group) {
      const float max = largest_[group];
      for (std::uint64_t i = begin; i < begin + count; ++i) {
        const float slope = max > 0 ? tanh_slope(x[i]) / max : 0.0F;
        float g = dy[i] * slope;
        if (has_max_grad_ && max > 0 && block.first + i == argmax_[group]) {
          g -= static_cast<float>(std::copysign(double{slope}, x[i]) * dot_[group] / max);
        }
        dx[i] = g;
      }
    });
  }

 private:
  float n_;
  bool has_max_grad_;
  std::vector<float> largest_;         // M per group
  std::vector<double> dot_;            // sum of dy tanh(x) per group
  std::vector<std::uint64_t> argmax_;  // index of the largest weight per group
  std::vector<double> scratch_;
};

/// Activations: y = quantize_k(clip(x, 0, 1)); dx = dy where 0 <= x <= 1, else 0. Codes 0 .. n.
class Activation : public UniformGrid {
 public:
  static constexpr std::uint32_t kCaps = QLOOM_QUANTIZER_USES_ROUNDING;
  static bool accepts(const Params& params) {
    return is_part(params, "activation") && params.text("/activation") == "clip";
  }
  explicit Activation(const Params& params) { set_codes(params.integer("/bits"), false, false); }

  void prepare(const qloom_prepare& in) {
    resize(in.x.groups);
    for (std::uint64_t g = 0; g < in.x.groups; ++g) set(g, 1.0F / max_, max_);
    zero_.assign(in.x.groups, 0.0F);
    one_.assign(in.x.groups, 1.0F);
  }
  void backward(const qloom_call&, const qloom_block& block, const float* x, const float* dy,
                float* dx, double*) const noexcept {
    kernels().clip_backward(zero_.data(), one_.data(), &block, x, dy, dx);
  }

 private:
  std::vector<float> zero_, one_;
};

/// Activations folded at 0: y = quantize_k(min(|x|, 1)); dx = dy sign(x) where |x| <= 1, else 0, 0
/// at 0.
class FoldedActivation : public UniformGrid {
 public:
  static constexpr std::uint32_t kCaps = QLOOM_QUANTIZER_USES_ROUNDING;
  static bool accepts(const Params& params) {
    return is_part(params, "activation") && params.text("/activation") == "abs";
  }
  explicit FoldedActivation(const Params& params) {
    set_codes(params.integer("/bits"), false, false);
  }

  void prepare(const qloom_prepare& in) {
    resize(in.x.groups);
    for (std::uint64_t g = 0; g < in.x.groups; ++g) set(g, 1.0F / max_, max_);
  }
  qloom_status apply(const qloom_call& call, const qloom_block& block, const float* x,
                     float* y) const noexcept {
    return folded(call, block, x, y, nullptr);
  }
  qloom_status encode(const qloom_call& call, const qloom_block& block, const float* x,
                      std::int32_t* code) const noexcept {
    return folded(call, block, x, nullptr, code);
  }
  void backward(const qloom_call&, const qloom_block& block, const float* x, const float* dy,
                float* dx, double*) const noexcept {
    vectorized([=] {
      QLOOM_INDEPENDENT_STEPS
      for (std::uint64_t i = 0; i < block.n; ++i) {
        const float sign = (x[i] > 0.0F ? 1.0F : 0.0F) - (x[i] < 0.0F ? 1.0F : 0.0F);
        dx[i] = std::fabs(x[i]) <= 1.0F ? dy[i] * sign : 0.0F;
      }
    });
  }

 private:
  qloom_status folded(const qloom_call& call, const qloom_block& block, const float* x, float* y,
                      std::int32_t* code) const noexcept {
    const qloom_grid own = grid();
    return for_each_piece(block, [&](const qloom_block& piece, std::uint64_t first) {
      float magnitude[kPieceElements];
      vectorized([&] {
        for (std::uint64_t i = 0; i < piece.n; ++i) magnitude[i] = std::fabs(x[first + i]);
      });
      return kernels().affine(&call, &own, &piece, magnitude, y == nullptr ? nullptr : y + first,
                              code == nullptr ? nullptr : code + first);
    });
  }
};

/// Gradients of activations, per sample, with m the sample's largest magnitude:
///   r = clip(x / (2 m) + 1/2 + u / n, 0, 1), u uniform in (-1/2, 1/2)
///   y = 2 m (quantize_k(r) - 1/2), on average x
/// The noise is part of the method: ties go to even, the rule's rounding mode has no say.
/// u = (2 v + 1) 2^-25 - 1/2 with v the upper 24 bits of the element's random word: symmetric about
/// 0 and exact in float. Codes 0 .. n, scale 2 m / n, offset -m; a sample of zeros stays zero.
class Gradient : public UniformGrid {
 public:
  static constexpr std::uint32_t kCaps =
      QLOOM_QUANTIZER_WANTS_EXTREMES | QLOOM_QUANTIZER_GROUPS_PER_SAMPLE;
  static bool accepts(const Params& params) { return is_part(params, "gradient"); }
  explicit Gradient(const Params& params) { set_codes(params.integer("/bits"), false, false); }

  void prepare(const qloom_prepare& in) {
    const auto largest = largest_magnitudes(in);
    resize(in.x.groups);
    magnitude_.assign(in.x.groups, 0.0F);
    for (std::size_t g = 0; g < magnitude_.size(); ++g) {
      if (2.0 * largest[g] > std::numeric_limits<float>::max()) {
        throw Error(QLOOM_E_NUMERIC,
                    concat("the largest magnitude of sample ", g, " is ", largest[g],
                           ", expected at most half of float32's largest value"));
      }
      const auto scale = static_cast<float>(2.0 * largest[g] / max_);
      set_offset(g, 0.0F);
      if (!std::isnormal(scale)) continue;  // zeros, or too near to it for a grid
      set(g, scale, 1.0F / scale);
      magnitude_[g] = static_cast<float>(largest[g]);
      set_offset(g, -magnitude_[g]);
    }
  }
  qloom_status encode(const qloom_call& call, const qloom_block& block, const float* x,
                      std::int32_t* code) const noexcept {
    const qloom_call nearest = with_rounding(call, QLOOM_ROUND_NEAREST_EVEN);
    return for_each_piece(block, [&](const qloom_block& piece, std::uint64_t first) {
      float t[kPieceElements];
      add_noise(call, piece, x + first, t);
      const qloom_status status = kernels().round(&nearest, piece.first, t, t, piece.n);
      const float top = max_;
      vectorized([&] {
        for (std::uint64_t i = 0; i < piece.n; ++i) {
          const float low = t[i] > 0.0F ? t[i] : 0.0F;
          code[first + i] = static_cast<std::int32_t>(low < top ? low : top);
        }
      });
      return status;
    });
  }
  qloom_status apply(const qloom_call& call, const qloom_block& block, const float* x,
                     float* y) const noexcept {
    return apply_by_codes(*this, call, block, x, y);
  }

 private:
  /// t = n (x / (2 m) + 1/2) + u, 0 where m is 0.
  void add_noise(const qloom_call& call, const qloom_block& piece, const float* x,
                 float* t) const noexcept {
    std::uint32_t words[kPieceElements];
    kernels().random_u32(call.seed, call.stream, call.step, piece.first, words, piece.n);
    const float top = max_;
    for_each_element(piece, entry_of(magnitude_), [=, &words](float m, std::uint64_t i) {
      const auto v = static_cast<std::int32_t>(words[i] >> 8);
      const float u = static_cast<float>(2 * v + 1 - (1 << 24)) * 0x1p-25F;
      const float noisy = top * (0.5F * (x[i] / m) + 0.5F) + u;
      t[i] = m > 0 ? noisy : 0.0F;
    });
  }

  std::vector<float> magnitude_;  // m per sample
};

}  // namespace

QLOOM_METHODS(QuantizerVariants<BinaryWeight, Weight, Activation, FoldedActivation, Gradient>)
