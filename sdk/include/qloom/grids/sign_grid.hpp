// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The grid of one bit: {-magnitude, +magnitude}.
#pragma once

#include <cmath>
#include <vector>

#include <qloom/straight_through.hpp>
#include <qloom/uniform_grid.hpp>
#include <qloom/vectorized.hpp>

namespace qloom::sdk {

/// y = m sign(x) with a magnitude m >= 0 per group, sign(0) = +1.
///
/// A derived class sets the magnitudes in prepare(); apply, encode, decode and encoding come from
/// here: one bit, codes -1 and +1, scale m. A group with m = 0 has the codes 0 and the scale 1.
class SignGrid : public UniformGrid {
 public:
  SignGrid() { set_codes(1, -1.0, 1.0); }

  void apply(const qloom_call&, const qloom_block& block, const float* x, float* y) const noexcept {
    kernels().ternary(zero_.data(), below_zero_.data(), negative_.data(), magnitude_.data(), &block,
                      x, y);
  }
  qloom_status encode(const qloom_call&, const qloom_block& block, const float* x,
                      std::int32_t* code) const noexcept {
    for_each_element(block, entry_of(one_),
                     [=](std::int32_t one, std::uint64_t i) { code[i] = x[i] < 0 ? -one : one; });
    return QLOOM_OK;
  }

 protected:
  void set_magnitudes(const std::vector<float>& magnitude) {
    const std::size_t groups = magnitude.size();
    resize(groups);
    magnitude_ = magnitude;
    negative_.assign(groups, 0.0F);
    one_.assign(groups, 0);
    zero_.assign(groups, 0.0F);
    below_zero_.assign(groups, std::nextafter(0.0F, -1.0F));  // x above it is x >= 0
    for (std::size_t g = 0; g < groups; ++g) {
      if (magnitude[g] == 0.0F) continue;
      set(g, magnitude[g], 1.0F / magnitude[g]);
      negative_[g] = -magnitude[g];
      one_[g] = 1;
    }
  }
  /// m = mean |x|, the one with the least sum (x - m sign x)^2; in double, rounded once.
  ///
  /// errors: QLOOM_E_NUMERIC for NaN and infinity
  void place_means(const qloom_tensor& x) {
    const auto sums = finite_abs_sums(x), counts = reduce(x, QLOOM_REDUCE_COUNT);
    std::vector<float> mean(x.groups, 0.0F);
    for (std::size_t g = 0; g < mean.size(); ++g) {
      if (counts[g] > 0) mean[g] = static_cast<float>(sums[g] / counts[g]);
    }
    set_magnitudes(mean);
  }
  /// Codes of random signs: +1 with the probability clip((x / m + 1) / 2, 0, 1), so that y is
  /// clip(x, -m, m) on average. The 24 upper bits of the element's random word decide.
  void encode_random(const qloom_call& call, const qloom_block& block, const float* x,
                     std::int32_t* code) const noexcept {
    for_each_piece(block, [&](const qloom_block& piece, std::uint64_t first) {
      std::uint32_t words[kPieceElements];
      kernels().random_u32(call.seed, call.stream, call.step, piece.first, words, piece.n);
      for_each_element(piece, entry_of(magnitude_), [=, &words](float m, std::uint64_t i) {
        const float draw = static_cast<float>(static_cast<std::int32_t>(words[i] >> 8)) * 0x1p-24F;
        code[first + i] = draw < 0.5F * (x[first + i] / m) + 0.5F ? 1 : -1;
      });
    });
  }

  std::vector<float> magnitude_;  // m per group

 private:
  std::vector<std::int32_t> one_;  // code of +m per group: 1, or 0 where m is 0
  std::vector<float> negative_, zero_, below_zero_;
};

/// y = sign(x) with a straight-through estimator: what binary activations share.
class UnitSign : public SignGrid {
 public:
  explicit UnitSign(const StraightThrough& ste) : ste_(ste) {}

  void prepare(const qloom_prepare& in) { set_magnitudes(std::vector<float>(in.x.groups, 1.0F)); }
  void backward(const qloom_call&, const qloom_block& block, const float* x, const float* dy,
                float* dx, double*) const noexcept {
    ste_.backward(block.n, x, dy, dx);
  }

 private:
  StraightThrough ste_;
};

}  // namespace qloom::sdk
