// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// DoReFa-Net (Zhou et al., 2016): weights, activations and gradients of a few bits. Everywhere
// n = 2^bits - 1 and quantize_k(r) = round(n r) / n for r in [0, 1].
#include <algorithm>
#include <cmath>

#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

bool is_part(const Params& params, const char* part) { return params.text("/part") == part; }

/// Weights of one bit: y = E sign(w), E = mean |w| per group, sign(0) = +1. Codes -1 and +1; a
/// group of zeros has codes 0. The gradient passes unchanged.
class BinaryWeight : public UniformGrid {
 public:
  static constexpr std::uint32_t kCaps = QLOOM_QUANTIZER_WANTS_TENSOR;
  static bool accepts(const Params& params) {
    return is_part(params, "weight") && params.integer("/bits") == 1;
  }
  explicit BinaryWeight(const Params&) { set_codes(1, -1.0, 1.0); }

  void prepare(const qloom_prepare& in) {
    require_finite(in.x);
    const auto sums = reduce(in.x, QLOOM_REDUCE_ABS_SUM), counts = reduce(in.x, QLOOM_REDUCE_COUNT);
    resize(in.x.groups);
    one_.assign(in.x.groups, 1);
    for (std::size_t g = 0; g < one_.size(); ++g) {
      const auto mean = static_cast<float>(sums[g] / counts[g]);
      if (mean > 0) set(g, mean, 1.0F / mean);
      if (!(mean > 0)) one_[g] = 0;
    }
  }
  qloom_status encode(const qloom_call&, const qloom_block& block, const float* x,
                      std::int32_t* code) const noexcept {
    for_each_run(block, [&](std::uint64_t begin, std::uint64_t count, std::uint64_t group) {
      for (std::uint64_t i = begin; i < begin + count; ++i) {
        code[i] = x[i] < 0 ? -one_[group] : one_[group];
      }
    });
    return QLOOM_OK;
  }
  qloom_status apply(const qloom_call& call, const qloom_block& block, const float* x,
                     float* y) const noexcept {
    return apply_by_codes(*this, call, block, x, y);
  }

 private:
  std::vector<std::int32_t> one_;  // code of +E per group: 1, or 0 where all weights are 0
};

/// Weights of 2 bits or more, per group, in float:
///   t = tanh(w);  M = max |t|;  u = t / (2 M) + 1/2;  y = 2 quantize_k(u) - 1
/// backward: straight through the rounding only,
///   dx_i = dy_i (1 - t_i^2) / M  -  [i = argmax |t|] sign(t_i) (1 - t_i^2) (sum_j dy_j t_j) / M^2,
///   the second term only with max_grad; of several largest weights the one of lowest index has it
/// encoding: odd codes 2 c - n with scale 1/n, c = n quantize_k(u); c is what `bits` bits store.
///   A group of zeros has u = 1/2, as w = 0 always has: +1/n; its gradient is 0.
class Weight : public UniformGrid {
 public:
  static constexpr std::uint32_t kCaps = QLOOM_QUANTIZER_WANTS_TENSOR |
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
    require_finite(in.x);
    const auto largest = reduce(in.x, QLOOM_REDUCE_ABS_MAX);
    resize(in.x.groups);
    largest_.resize(in.x.groups);
    for (std::size_t g = 0; g < largest_.size(); ++g) {
      set(g, 1.0F / n_, n_);
      largest_[g] = std::tanh(static_cast<float>(largest[g]));  // tanh rises: max |tanh w|
    }
  }
  qloom_status encode(const qloom_call& call, const qloom_block& block, const float* x,
                      std::int32_t* code) const noexcept {
    qloom_status status = QLOOM_OK;
    for_each_piece(block, [&](const qloom_block& piece, std::uint64_t first) {
      float t[kPieceElements];
      for_each_run(piece, [&](std::uint64_t begin, std::uint64_t count, std::uint64_t group) {
        const float max = largest_[group];
        for (std::uint64_t i = begin; i < begin + count; ++i) {
          t[i] = n_ * (max > 0 ? std::tanh(x[first + i]) / (2.0F * max) + 0.5F : 0.5F);
        }
      });
      if (status == QLOOM_OK) status = kernels().round(&call, piece.first, t, t, piece.n);
      for (std::uint64_t i = 0; i < piece.n; ++i) {
        code[first + i] = static_cast<std::int32_t>(2.0F * std::clamp(t[i], 0.0F, n_) - n_);
      }
    });
    return status;
  }
  qloom_status apply(const qloom_call& call, const qloom_block& block, const float* x,
                     float* y) const noexcept {
    return apply_by_codes(*this, call, block, x, y);
  }

  void backward_prepare(const qloom_tensor& x, const qloom_tensor& dy) {
    if (!has_max_grad_) return;
    products_.resize(x.n);
    for_each_block(x, [&](const qloom_block& b) {
      for (std::uint64_t i = b.first; i < b.first + b.n; ++i) {
        products_[i] = dy.data[i] * std::tanh(x.data[i]);
      }
    });
    qloom_tensor products = x;
    products.data = products_.data();
    dot_ = reduce(products, QLOOM_REDUCE_SUM);
    const auto largest = reduce(x, QLOOM_REDUCE_ABS_MAX);
    argmax_.assign(x.groups, x.n);
    for (std::uint64_t i = x.n; i-- > 0;) {
      const std::uint64_t group = (i / x.inner) % x.groups;
      if (std::fabs(x.data[i]) == static_cast<float>(largest[group])) argmax_[group] = i;
    }
  }
  void backward(const qloom_call&, const qloom_block& block, const float* x, const float* dy,
                float* dx, double*) const noexcept {
    for_each_run(block, [&](std::uint64_t begin, std::uint64_t count, std::uint64_t group) {
      const float max = largest_[group];
      for (std::uint64_t i = begin; i < begin + count; ++i) {
        const float t = std::tanh(x[i]);
        const float slope = max > 0 ? (1.0F - t * t) / max : 0.0F;
        float g = dy[i] * slope;
        if (has_max_grad_ && max > 0 && block.first + i == argmax_[group]) {
          g -= static_cast<float>(std::copysign(double{slope}, t) * dot_[group] / max);
        }
        dx[i] = g;
      }
    });
  }

 private:
  float n_;
  bool has_max_grad_;
  std::vector<float> largest_;         // M per group
  std::vector<float> products_;        // scratch: dy tanh(x)
  std::vector<double> dot_;            // sum of dy tanh(x) per group
  std::vector<std::uint64_t> argmax_;  // index of the largest weight per group
};

/// Activations: y = quantize_k(clip(x, 0, 1)); dx = dy where 0 <= x <= 1, else 0. Codes 0 .. n.
class Activation : public UniformGrid {
 public:
  static constexpr std::uint32_t kCaps = QLOOM_QUANTIZER_USES_ROUNDING;
  static bool accepts(const Params& params) { return is_part(params, "activation"); }
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

/// Gradients of activations, per sample, with m the sample's largest magnitude:
///   r = clip(x / (2 m) + 1/2 + u / n, 0, 1), u uniform in (-1/2, 1/2)
///   y = 2 m (quantize_k(r) - 1/2), on average x
/// The noise is part of the method: ties go to even, the rule's rounding mode has no say.
/// u = (2 v + 1) 2^-25 - 1/2 with v the upper 24 bits of the element's random word: symmetric about
/// 0 and exact in float. Codes 0 .. n, scale 2 m / n, offset -m; a sample of zeros stays zero.
class Gradient : public UniformGrid {
 public:
  static constexpr std::uint32_t kCaps =
      QLOOM_QUANTIZER_WANTS_TENSOR | QLOOM_QUANTIZER_GROUPS_PER_SAMPLE;
  static bool accepts(const Params& params) { return is_part(params, "gradient"); }
  explicit Gradient(const Params& params) { set_codes(params.integer("/bits"), false, false); }

  void prepare(const qloom_prepare& in) {
    require_finite(in.x);
    const auto largest = reduce(in.x, QLOOM_REDUCE_ABS_MAX);
    resize(in.x.groups);
    magnitude_.assign(in.x.groups, 0.0F);
    for (std::size_t g = 0; g < magnitude_.size(); ++g) {
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
    qloom_call nearest = call;
    nearest.rounding = {nullptr, nullptr, QLOOM_ROUND_NEAREST_EVEN, 0};
    qloom_status status = QLOOM_OK;
    for_each_piece(block, [&](const qloom_block& piece, std::uint64_t first) {
      float t[kPieceElements];
      add_noise(call, piece, x + first, t);
      if (status == QLOOM_OK) status = kernels().round(&nearest, piece.first, t, t, piece.n);
      for (std::uint64_t i = 0; i < piece.n; ++i) {
        code[first + i] = static_cast<std::int32_t>(std::clamp(t[i], 0.0F, max_));
      }
    });
    return status;
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
    for_each_run(piece, [&](std::uint64_t begin, std::uint64_t count, std::uint64_t group) {
      const float m = magnitude_[group];
      for (std::uint64_t i = begin; i < begin + count; ++i) {
        const auto v = static_cast<std::int32_t>(words[i] >> 8);
        const float u = static_cast<float>(2 * v + 1 - (1 << 24)) * 0x1p-25F;
        t[i] = m > 0 ? max_ * (0.5F * (x[i] / m) + 0.5F) + u : 0.0F;
      }
    });
  }

  std::vector<float> magnitude_;  // m per sample
};

}  // namespace

QLOOM_METHODS(QuantizerVariants<BinaryWeight, Weight, Activation, Gradient>)
