// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Half-Wave Gaussian Quantization (Cai, He, Sun, Vasconcelos, 2017): ReLU of a few levels that fit
// normalised activations.
#include <cstdint>
#include <utility>
#include <vector>

#include <qloom/grids/levels.hpp>
#include <qloom/sdk.hpp>
#include <qloom/straight_through.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// The m = 2^bits - 1 levels q_1 < .. < q_m with the least mean square of Q(x) - max(x, 0) over the
/// positive values of a standard normal x, thresholds as below: multiples of a step, and freely
/// placed (Lloyd's optimum).
constexpr double kSteps[] = {0.797884561, 0.538811923, 0.321728909, 0.184243343};
constexpr double kOptimal[] = {0.797884561,                           // 1 bit
                               0.317716369, 1.00010605,  1.89359481,  // 2 bits
                               0.145706244, 0.441320889, 0.750442618,  1.08563531,  1.46752827,
                               1.93861241,  2.62506251,  0.0701552458, 0.210928095, 0.353109629,
                               0.497713705, 0.645876292, 0.79892698,   0.958490355, 1.12663986,
                               1.30614684,  1.50091233,  1.71677886,   1.9632238,   2.25744032,
                               2.6366142,   3.21356224};

/// code = number of thresholds below x: 0, and the middles between neighbouring levels. So the
/// least positive x has the code 1: this is not rounding to nearest.
class HalfWave {
 public:
  qloom_status encode(const qloom_call&, const qloom_block& block, const float* x,
                      std::int32_t* code) const noexcept {
    const float* const threshold = threshold_.data();
    const std::size_t count = threshold_.size();
    vectorized([&] {
      for (std::uint64_t i = 0; i < block.n; ++i) code[i] = 0;
      for (std::size_t j = 0; j < count; ++j) {
        const float t = threshold[j];
        QLOOM_INDEPENDENT_STEPS
        for (std::uint64_t i = 0; i < block.n; ++i) code[i] += x[i] > t ? 1 : 0;
      }
    });
    return QLOOM_OK;
  }
  void backward(const qloom_call&, const qloom_block& block, const float* x, const float* dy,
                float* dx, double*) const noexcept {
    ste_.backward(block.n, x, dy, dx);
  }

 protected:
  HalfWave(const Params& params, std::vector<double> q)
      : q_(std::move(q)),
        threshold_{0.0F},
        ste_(params.text("/ste"), static_cast<float>(q_.back()), true) {
    for (std::size_t i = 1; i < q_.size(); ++i) {
      threshold_.push_back(static_cast<float>((q_[i - 1] + q_[i]) / 2));
    }
  }

  std::vector<double> q_;
  std::vector<float> threshold_;  // rising
  StraightThrough ste_;
};

std::vector<double> multiples(const Params& params) {
  const std::int64_t bits = params.integer("/bits");
  const double step = params.number_or("/step", kSteps[bits - 1]);
  std::vector<double> levels;
  for (int i = 1; i < 1 << bits; ++i) levels.push_back(i * step);
  return levels;
}

/// Codes 0 .. m with the scale "step".
class Uniform : public HalfWave, public UniformGrid {
 public:
  static bool accepts(const Params& params) { return params.text("/spacing") == "uniform"; }
  explicit Uniform(const Params& params) : HalfWave(params, multiples(params)) {
    set_codes(params.integer("/bits"), false, false);
  }
  using HalfWave::encode;
  void prepare(const qloom_prepare& in) {
    resize(in.x.groups);
    const auto step = static_cast<float>(q_[0]);
    for (std::uint64_t g = 0; g < in.x.groups; ++g) set(g, step, 1.0F / step);
  }
  qloom_status apply(const qloom_call& call, const qloom_block& block, const float* x,
                     float* y) const noexcept {
    return apply_by_codes(*this, call, block, x, y);
  }
};

std::vector<double> optimal(const Params& params) {
  const auto m = (std::ptrdiff_t{1} << params.integer("/bits")) - 1;
  const double* const first = kOptimal + m - params.integer("/bits");  // after 1 + 3 + .. levels
  return {first, first + m};
}

/// A codebook of 0 and the levels, with its thresholds.
class Optimal : public HalfWave, public Levels {
 public:
  static bool accepts(const Params& params) { return !Uniform::accepts(params); }
  explicit Optimal(const Params& params) : HalfWave(params, optimal(params)) {}
  using Levels::encode;

  void prepare(const qloom_prepare& in) {
    begin(in.x.groups, q_.size() + 1);
    for (std::uint64_t g = 0; g < in.x.groups; ++g) {
      for (std::size_t i = 0; i < q_.size(); ++i) {
        levels(g)[i + 1] = static_cast<float>(q_[i]);
        thresholds(g)[i] = threshold_[i];
      }
    }
  }
};

}  // namespace

QLOOM_METHODS(QuantizerVariants<Uniform, Optimal>)
