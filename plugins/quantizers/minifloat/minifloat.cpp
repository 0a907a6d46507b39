// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Floating-point formats of few bits; OCP FP8, HFP8, FP16 and bfloat16 are special cases.
#include <algorithm>
#include <cmath>
#include <string>

#include <qloom/float_format.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

qloom_float_format format_of(const Params& params) {
  constexpr const char* kSpecials[] = {"none", "ieee", "fn", "fnuz"};
  const std::string wanted = params.text("/specials");
  std::uint32_t specials = 0;
  while (wanted != kSpecials[specials]) ++specials;
  const qloom_float_format format = float_format(params, specials);
  if (specials == QLOOM_SPECIALS_IEEE && format.mantissa_bits == 0) {
    throw Error(QLOOM_E_INVALID,
                "/mantissa_bits: 0, expected 1 or more: specials \"ieee\" need a code for NaN");
  }
  if (specials == QLOOM_SPECIALS_NONE && format.saturate == 0) {
    throw Error(
        QLOOM_E_INVALID,
        "/overflow: infinity, expected saturate: specials \"none\" have no code for overflow");
  }
  return format;
}

/// The value nearest to x in the format, times a scale 2^k per group that is folded into the bias:
/// 2^k times a value of bias b is the value of bias b - k with the same code. Here k = 0.
///
/// range:     infinities saturate, or stay where the format has them and overflow is infinity; a
///            finite value beyond the largest one becomes it where the rounding mode never goes
///            further
/// backward:  dx = dy; ste clipped: 0 where |x| is above the largest value
/// encoding:  float, with the folded bias; not exportable when groups differ in k
class Minifloat {
 public:
  static constexpr std::uint32_t kCaps = QLOOM_QUANTIZER_USES_ROUNDING;
  static bool accepts(const Params& params) { return params.text("/scaling") == "none"; }

  explicit Minifloat(const Params& params)
      : format_(format_of(params)),
        top_(top_of(format_)),
        is_clipped_(params.text("/ste") == "clipped") {}

  void prepare(const qloom_prepare& in) {
    if (scale_exponent_.size() != in.x.groups) scale_exponent_.assign(in.x.groups, 0);
    is_uniform_ = std::all_of(scale_exponent_.begin(), scale_exponent_.end(),
                              [this](int k) { return k == scale_exponent_[0]; });
    low_.resize(in.x.groups);
    high_.resize(in.x.groups);
    for (std::size_t g = 0; g < high_.size(); ++g) {
      high_[g] = static_cast<float>(std::ldexp(top_.value, scale_exponent_[g]));
      low_[g] = -high_[g];
    }
  }

  qloom_status apply(const qloom_call& call, const qloom_block& block, const float* x,
                     float* y) const noexcept {
    return quantize(
        block, [&](const qloom_float_format& format, const qloom_block& part, std::uint64_t i) {
          return kernels().minifloat(&call, &format, &part, x + i, y + i, nullptr);
        });
  }
  qloom_status encode(const qloom_call& call, const qloom_block& block, const float* x,
                      std::int32_t* code) const noexcept {
    return quantize(
        block, [&](const qloom_float_format& format, const qloom_block& part, std::uint64_t i) {
          return kernels().minifloat(&call, &format, &part, x + i, nullptr, code + i);
        });
  }
  qloom_status decode(const qloom_block& block, const std::int32_t* code, float* y) const noexcept {
    return quantize(
        block, [&](const qloom_float_format& format, const qloom_block& part, std::uint64_t i) {
          kernels().minifloat_decode(&format, code + i, y + i, part.n);
          return qloom_status{QLOOM_OK};
        });
  }
  void encoding(qloom_encoding& out) const {
    if (!is_uniform_) {
      throw Error(QLOOM_E_UNSUPPORTED, "the groups have different scales: no single bias fits");
    }
    out.kind = QLOOM_ENCODING_FLOAT;
    out.bits = 1 + format_.exponent_bits + format_.mantissa_bits;
    out.is_signed = 1;
    out.groups = scale_exponent_.size();
    out.format = scaled(0);
  }
  void backward(const qloom_call&, const qloom_block& block, const float* x, const float* dy,
                float* dx, double*) const noexcept {
    if (is_clipped_) {
      kernels().clip_backward(low_.data(), high_.data(), &block, x, dy, dx);
    } else {
      pass_through(dy, dx, block.n);
    }
  }

 protected:
  /// Smallest k with largest <= 2^k * largest value, as far as float32 reaches.
  [[nodiscard]] int exponent_for(double largest) const noexcept {
    return std::clamp(ceil_log2(largest / top_.value), format_.bias - kFloat32Bias,
                      kFloat32Bias - top_.exponent);
  }

  std::vector<int> scale_exponent_{0};  // k per group

 private:
  [[nodiscard]] qloom_float_format scaled(std::size_t group) const noexcept {
    qloom_float_format format = format_;
    format.bias -= scale_exponent_[group];
    return format;
  }
  /// body(format, part, i) for the parts of the block that have one scale.
  template <class Body>
  qloom_status quantize(const qloom_block& block, Body body) const noexcept {
    if (is_uniform_) return body(scaled(0), block, 0);
    return for_each_run(block, [&](std::uint64_t i, std::uint64_t n, std::uint64_t group) {
      qloom_block part = block;
      part.first += i;
      part.n = n;
      return body(scaled(group), part, i);
    });
  }

  qloom_float_format format_;
  FloatTop top_;
  bool is_clipped_, is_uniform_ = true;
  std::vector<float> low_, high_;  // largest values per group, for the mask
};

/// k = ceil(log2(max|x| / largest value)), so that nothing overflows; 0 for a group of zeros.
class ScaledMinifloat : public Minifloat {
 public:
  static constexpr std::uint32_t kCaps =
      QLOOM_QUANTIZER_USES_ROUNDING | QLOOM_QUANTIZER_WANTS_EXTREMES;
  static bool accepts(const Params& params) { return params.text("/scaling") == "power_of_two"; }
  using Minifloat::Minifloat;

  void prepare(const qloom_prepare& in) {
    scale_exponent_.clear();
    for (const double largest : largest_magnitudes(in)) {
      scale_exponent_.push_back(largest > 0 ? exponent_for(largest) : 0);
    }
    Minifloat::prepare(in);
  }
};

}  // namespace

QLOOM_METHODS(QuantizerVariants<Minifloat, ScaledMinifloat>)
