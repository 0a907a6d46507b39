// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// ABC-Net (Lin, Zhao, Pan, 2017): activations as a sum of binary bases with learned thresholds.
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include <qloom/grids/bases.hpp>
#include <qloom/learned_values.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

constexpr std::size_t kMost = 5;  // bases

/// h_n = clip(x + shift_n, 0, 1);  H_n = +1 where h_n >= 1/2, else -1;  y = sum_n scale_n H_n
/// backward:  with m_n = 1 where 0 <= x + shift_n <= 1, else 0: dx = dy sum_n scale_n m_n,
///            d shift_n = sum of dy scale_n m_n, d scale_n = sum of dy H_n
/// encoding:  sum of bases; bit n - 1 of a code says that H_n = +1
/// state:     shift, scale: one value per base
class AbcAct : public LearnedValues<2>, public Bases {
  static constexpr float kNever = std::numeric_limits<float>::infinity();
  struct Step {
    float threshold, low, high, scale;  // H = +1 from threshold on; slope 1 from low to high
  };
  using Steps = std::array<Step, kMost>;
  [[nodiscard]] auto all_steps() const noexcept {
    return [steps = steps_](std::uint64_t) { return steps; };
  }

 public:
  static constexpr std::uint64_t kSumsPerGroup = 2 * kMost;  // d shift, d scale

  explicit AbcAct(const Params& params)
      : LearnedValues({"shift", "scale"}, params.number("/rate_factor"),
                      params.number("/decay_factor")),
        Bases(static_cast<std::uint32_t>(params.integer("/bases"))) {
    learned_[1].assign(count(), 1.0F);
    for (std::uint32_t n = 1; n <= count(); ++n) {  // thresholds that divide [-1, 1] evenly
      learned_[0].push_back(static_cast<float>(1.5 - 2.0 * n / (count() + 1.0)));
    }
  }

  void prepare(const qloom_prepare& in) {
    if (learned_[0].size() != count()) {
      throw Error(QLOOM_E_STATE, concat("state \"shift\" has ", learned_[0].size(), " values, not ",
                                        count(), ", one per base"));
    }
    steps_.fill({kNever, kNever, -kNever, 0.0F});
    for (std::size_t n = 0; n < count(); ++n) {
      const float shift = learned_[0][n];
      steps_[n] = {0.5F - shift, -shift, 1.0F - shift, learned_[1][n]};
    }
    const std::vector<double> scales(learned_[1].begin(), learned_[1].end());
    resize(in.x.groups);
    for (std::uint64_t g = 0; g < in.x.groups; ++g) set(g, scales.data());
  }
  qloom_status encode(const qloom_call&, const qloom_block& block, const float* x,
                      std::int32_t* code) const noexcept {
    for_each_element(
        block, all_steps(),
        [=, mask = (std::int32_t{1} << count()) - 1](const Steps& steps, std::uint64_t i) {
          std::int32_t bits = 0;
          for (std::size_t n = 0; n < kMost; ++n) bits |= (x[i] >= steps[n].threshold ? 1 : 0) << n;
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
        block, sums, all_steps(),
        [=](const Steps& steps, std::uint64_t i) {
          const float v = x[i], g = dy[i];
          std::array<float, 2 * kMost> terms{};
          float slope = 0.0F;
          for (std::size_t n = 0; n < kMost; ++n) {
            const float own = v >= steps[n].low && v <= steps[n].high ? steps[n].scale : 0.0F;
            slope += own;
            terms[n] = g * own;
            terms[kMost + n] = v >= steps[n].threshold ? g : -g;
          }
          dx[i] = g * slope;
          return terms;
        },
        x, dy, dx);
  }
  void learned_gradients(const double* sums, std::uint64_t groups, float* const* gradients) {
    for (std::size_t k = 0; k < 2; ++k) {
      for (std::size_t n = 0; n < count(); ++n) {
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
  Steps steps_{};
};

}  // namespace

QLOOM_METHODS(Quantizer<AbcAct>)
