// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// QIL (Jung et al., 2019): the interval of magnitudes that is quantized is learned.
#include <algorithm>
#include <cmath>

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
class Qil : public UniformGrid {
 public:
  static constexpr std::uint32_t kCaps =
      QLOOM_QUANTIZER_WANTS_FIRST_TENSOR | QLOOM_QUANTIZER_USES_ROUNDING;
  static constexpr std::uint64_t kSumsPerGroup = 3;  // d c, d d, d gamma

  explicit Qil(const Params& params)
      : is_weight_(params.text("/part") == "weight"),
        trains_gamma_(params.flag("/gamma_trainable")),
        first_gamma_(static_cast<float>(params.number("/gamma"))),
        first_center_(number_or(params, "/c_init", -1.0F)),
        first_half_width_(number_or(params, "/d_init", 0.0F)),
        rate_factor_(params.number("/rate_factor")) {
    const std::int64_t bits = params.integer("/bits");
    if (is_weight_ && bits < 2) {
      throw Error(QLOOM_E_INVALID, concat("/bits: ", bits, ", expected 2 or more for weights"));
    }
    if (!is_weight_ && (trains_gamma_ || first_gamma_ != 1.0F)) {
      throw Error(QLOOM_E_INVALID,
                  concat(trains_gamma_ ? "/gamma_trainable: true" : "/gamma: ",
                         trains_gamma_ ? "" : concat(first_gamma_),
                         ", expected gamma 1, not trained, for activations"));
    }
    set_codes(bits, is_weight_, is_weight_);
  }

  void prepare(const qloom_prepare& in) {
    if (center_.empty()) initialise(in.x);
    if (center_.size() != in.x.groups) {
      throw Error(QLOOM_E_INVALID, concat("the tensor has ", in.x.groups, " groups, intervals ",
                                          "were learned for ", center_.size()));
    }
    resize(center_.size());
    for (std::size_t g = 0; g < center_.size(); ++g) set(g, 1.0F / max_, max_);
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
    for_each_run(block, [&](std::uint64_t begin, std::uint64_t count, std::uint64_t group) {
      const double c = center_[group], d = half_width_[group], gamma = gamma_[group];
      double to_center = 0, to_half_width = 0, to_gamma = 0;
      for (std::uint64_t i = begin; i < begin + count; ++i) {
        const double a = magnitude(x[i]), g = dy[i];
        double u = (a - c) * (0.5 / d) + 0.5;
        dx[i] = 0.0F;
        if (!(u >= 0.0 && u <= 1.0)) continue;
        u = std::max(u, kLowestU);
        const double sign = is_weight_ && x[i] < 0 ? -1.0 : 1.0;
        const double power = gamma == 1.0 ? u : std::pow(u, gamma);
        const double slope = gamma * (power / u) * (0.5 / d);
        dx[i] = static_cast<float>(g * slope);
        to_center -= g * sign * slope;
        to_half_width -= g * sign * slope * (a - c) / d;
        if (trains_gamma_) to_gamma += g * sign * power * std::log(u);
      }
      double* own = sums + (group - block.group_first) * kSumsPerGroup;
      own[0] += to_center;
      own[1] += to_half_width;
      own[2] += to_gamma;
    });
  }

  bool learned(std::uint32_t index, qloom_learned& out) {
    constexpr const char* kNames[] = {"center", "half_width", "gamma"};
    if (index >= (trains_gamma_ ? 3U : 2U)) return false;
    out.name = kNames[index];
    out.value = (index == 0 ? center_ : index == 1 ? half_width_ : gamma_).data();
    out.count = center_.size();
    out.rate_factor = rate_factor_;
    return true;
  }
  void learned_gradients(const double* sums, std::uint64_t groups, float* const* gradients) {
    for (std::uint64_t i = 0; i < (trains_gamma_ ? 3U : 2U); ++i) {
      for (std::uint64_t g = 0; g < groups; ++g) {
        gradients[i][g] = static_cast<float>(sums[g * kSumsPerGroup + i]);
      }
    }
  }
  void after_update() {
    for (std::size_t g = 0; g < center_.size(); ++g) {
      if (!std::isfinite(center_[g]) || !std::isfinite(half_width_[g]) ||
          !std::isfinite(gamma_[g])) {
        throw Error(QLOOM_E_NUMERIC,
                    concat("center ", center_[g], ", half-width ", half_width_[g], ", gamma ",
                           gamma_[g], ": expected finite values"));
      }
      center_[g] = std::max(center_[g], 0.0F);
      half_width_[g] = std::max(half_width_[g], 1e-3F * largest_[g]);
      gamma_[g] = std::clamp(gamma_[g], 0.1F, 10.0F);
    }
  }
  template <class Archive>
  void state(Archive& archive) {
    archive("center", center_);
    archive("half_width", half_width_);
    archive("gamma", gamma_);
    archive("largest", largest_);
  }

 private:
  static float number_or(const Params& params, const char* pointer, float otherwise) {
    return params.is_number(pointer) ? static_cast<float>(params.number(pointer)) : otherwise;
  }
  [[nodiscard]] double magnitude(float x) const noexcept {
    return is_weight_ ? std::fabs(double{x}) : double{x};
  }

  /// The interval [0, max|x|] unless the parameters say otherwise; [0, 1] for a group of zeros.
  void initialise(const qloom_tensor& x) {
    if (x.data == nullptr) throw Error(QLOOM_E_ORDER, "the first tensor was not given");
    require_finite(x);
    const auto largest = reduce(x, is_weight_ ? QLOOM_REDUCE_ABS_MAX : QLOOM_REDUCE_MAX);
    largest_.resize(x.groups);
    for (std::size_t g = 0; g < largest_.size(); ++g) {
      largest_[g] = largest[g] > 0 && std::isfinite(largest[g]) ? static_cast<float>(largest[g])
                                                                : 1.0F;
    }
    center_.resize(x.groups);
    half_width_.resize(x.groups);
    gamma_.assign(x.groups, first_gamma_);
    for (std::size_t g = 0; g < largest_.size(); ++g) {
      center_[g] = first_center_ >= 0 ? first_center_ : 0.5F * largest_[g];
      half_width_[g] = first_half_width_ > 0 ? first_half_width_ : 0.5F * largest_[g];
    }
  }

  qloom_status discretize(const qloom_call& call, const qloom_block& block, const float* x,
                          float* y, std::int32_t* code) const noexcept {
    const qloom_grid output = grid();
    qloom_status status = QLOOM_OK;
    for_each_piece(block, [&](const qloom_block& piece, std::uint64_t first) {
      float v[kPieceElements];
      for_each_run(piece, [&](std::uint64_t begin, std::uint64_t count, std::uint64_t group) {
        transform(x + first + begin, v + begin, count, group);
      });
      if (status != QLOOM_OK) return;
      status = kernels().affine(&call, &output, &piece, v, y == nullptr ? nullptr : y + first,
                                code == nullptr ? nullptr : code + first);
    });
    return status;
  }
  void transform(const float* x, float* v, std::uint64_t n, std::uint64_t group) const noexcept {
    const double c = center_[group], h = 0.5 / double{half_width_[group]}, gamma = gamma_[group];
    for (std::uint64_t i = 0; i < n; ++i) {
      double u = std::clamp((magnitude(x[i]) - c) * h + 0.5, 0.0, 1.0);
      if (gamma != 1.0) u = std::pow(u, gamma);
      v[i] = static_cast<float>(is_weight_ ? std::copysign(u, x[i]) : u);
    }
  }

  static constexpr double kLowestU = 1e-6;  // bounds the slope for gamma below 1

  bool is_weight_, trains_gamma_;
  float first_gamma_;
  float first_center_;      // below 0: from the first tensor
  float first_half_width_;  // 0: from the first tensor
  double rate_factor_;
  std::vector<float> center_, half_width_, gamma_;  // learned; empty until the first tensor
  std::vector<float> largest_;                      // max|x| of the first tensor
};

}  // namespace

QLOOM_METHODS(Quantizer<Qil>)
