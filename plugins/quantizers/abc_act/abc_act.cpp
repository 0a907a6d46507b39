// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// ABC-Net (Lin, Zhao, Pan, 2017): activations as a sum of binary bases with learned thresholds.
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include <qloom/grids/codebook.hpp>
#include <qloom/learned_values.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

constexpr std::size_t kMost = 5;  // bases

/// h_n = clip(x + shift_n, 0, 1);  H_n = +1 where h_n >= 1/2, else -1;  y = sum_n scale_n H_n
/// backward:  with m_n = 1 where 0 <= x + shift_n <= 1, else 0: dx = dy sum_n scale_n m_n,
///            d shift_n = sum of dy scale_n m_n, d scale_n = sum of dy H_n
/// encoding:  bit n - 1 of a code says that H_n = +1; a codebook of 2^N values
/// state:     shift, scale: one value per base
class AbcAct : public LearnedValues<2>, public Codebook {
  static constexpr float kNever = std::numeric_limits<float>::infinity();
  struct Base {
    float threshold, low, high, scale;  // H = +1 from threshold on; slope 1 from low to high
  };
  using Bases = std::array<Base, kMost>;
  [[nodiscard]] auto all_bases() const noexcept {
    return [bases = bases_](std::uint64_t) { return bases; };
  }

 public:
  static constexpr std::uint64_t kSumsPerGroup = 2 * kMost;  // d shift, d scale

  explicit AbcAct(const Params& params)
      : LearnedValues({"shift", "scale"}, params.number("/rate_factor"),
                      params.number("/decay_factor")),
        Codebook(static_cast<std::uint32_t>(params.integer("/bases")),
                 std::uint64_t{1} << params.integer("/bases")) {
    learned_[1].assign(bits_, 1.0F);
    for (std::uint32_t n = 1; n <= bits_; ++n) {  // thresholds that divide [-1, 1] evenly
      learned_[0].push_back(static_cast<float>(1.5 - 2.0 * n / (bits_ + 1.0)));
    }
  }

  void prepare(const qloom_prepare& in) {
    if (learned_[0].size() != bits_) {
      throw Error(QLOOM_E_STATE, concat("state \"shift\" has ", learned_[0].size(), " values, not ",
                                        bits_, ", one per base"));
    }
    bases_.fill({kNever, kNever, -kNever, 0.0F});
    for (std::size_t n = 0; n < bits_; ++n) {
      const float shift = learned_[0][n];
      bases_[n] = {0.5F - shift, -shift, 1.0F - shift, learned_[1][n]};
    }
    resize(in.x.groups);
    for (std::uint64_t code = 0; code < size_; ++code) {
      double value = 0;
      for (std::size_t n = 0; n < bits_; ++n) {
        value += (code >> n & 1U) != 0 ? learned_[1][n] : -learned_[1][n];
      }
      for (std::uint64_t g = 0; g < in.x.groups; ++g) levels(g)[code] = static_cast<float>(value);
    }
  }
  qloom_status encode(const qloom_call&, const qloom_block& block, const float* x,
                      std::int32_t* code) const noexcept {
    for_each_element(
        block, all_bases(),
        [=, mask = static_cast<std::int32_t>(size_ - 1)](const Bases& bases, std::uint64_t i) {
          std::int32_t bits = 0;
          for (std::size_t n = 0; n < kMost; ++n) bits |= (x[i] >= bases[n].threshold ? 1 : 0) << n;
          code[i] = bits & mask;  // infinity reaches the thresholds of no base too
        });
    return QLOOM_OK;
  }
  qloom_status apply(const qloom_call& call, const qloom_block& block, const float* x,
                     float* y) const noexcept {
    return apply_by_codes(*this, call, block, x, y);
  }
  void backward(const qloom_call&, const qloom_block& block, const float* x, const float* dy,
                float* dx, double* sums) const noexcept {
    sum_elements(
        block, sums, all_bases(),
        [=](const Bases& bases, std::uint64_t i) {
          const float v = x[i], g = dy[i];
          std::array<float, 2 * kMost> terms{};
          float slope = 0.0F;
          for (std::size_t n = 0; n < kMost; ++n) {
            const float own = v >= bases[n].low && v <= bases[n].high ? bases[n].scale : 0.0F;
            slope += own;
            terms[n] = g * own;
            terms[kMost + n] = v >= bases[n].threshold ? g : -g;
          }
          dx[i] = g * slope;
          return terms;
        },
        x, dy, dx);
  }
  void learned_gradients(const double* sums, std::uint64_t groups, float* const* gradients) {
    for (std::size_t k = 0; k < 2; ++k) {
      for (std::size_t n = 0; n < bits_; ++n) {
        double sum = 0;
        for (std::uint64_t g = 0; g < groups; ++g) sum += sums[g * 2 * kMost + k * kMost + n];
        gradients[k][n] = static_cast<float>(sum);
      }
    }
  }
  void after_update() {
    for (std::size_t k = 0; k < 2; ++k) {
      keep_finite_and_above(k, std::numeric_limits<float>::lowest());
    }
  }

 private:
  Bases bases_{};
};

}  // namespace

QLOOM_METHODS(Quantizer<AbcAct>)
