// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Floating-point formats of few bits; OCP FP8, HFP8, FP16 and bfloat16 are special cases.
#include <algorithm>
#include <cmath>
#include <string>

#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

qloom_float_format format_of(const Params& params) {
  constexpr const char* kSpecials[] = {"none", "ieee", "fn", "fnuz"};
  qloom_float_format format{};
  format.exponent_bits = static_cast<std::uint32_t>(params.integer("/exponent_bits"));
  format.mantissa_bits = static_cast<std::uint32_t>(params.integer("/mantissa_bits"));
  format.bias = params.is_number("/bias") ? static_cast<std::int32_t>(params.integer("/bias"))
                                          : (1 << (format.exponent_bits - 1)) - 1;
  const std::string specials = params.text("/specials");
  while (specials != kSpecials[format.specials]) ++format.specials;
  format.subnormals = params.flag("/subnormals") ? 1 : 0;
  format.saturate = params.text("/overflow") == "saturate" ? 1 : 0;
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
      : format_(format_of(params)), is_clipped_(params.text("/ste") == "clipped") {
    measure();
  }

  void prepare(const qloom_prepare& in) {
    if (scale_exponent_.size() != in.x.groups) scale_exponent_.assign(in.x.groups, 0);
    is_uniform_ = std::all_of(scale_exponent_.begin(), scale_exponent_.end(),
                              [this](int k) { return k == scale_exponent_[0]; });
    low_.resize(in.x.groups);
    high_.resize(in.x.groups);
    for (std::size_t g = 0; g < high_.size(); ++g) {
      high_[g] = static_cast<float>(std::ldexp(largest_, scale_exponent_[g]));
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
    return std::clamp(ceil_log2(largest / largest_), format_.bias - kFloatBias, room_above_);
  }

  std::vector<int> scale_exponent_{0};  // k per group

 private:
  [[nodiscard]] int mantissa() const noexcept { return static_cast<int>(format_.mantissa_bits); }

  /// Checks the format and finds its largest value.
  void measure() {
    const bool is_ieee = format_.specials == QLOOM_SPECIALS_IEEE;
    const bool is_fn = format_.specials == QLOOM_SPECIALS_FN;
    if (is_ieee && mantissa() == 0) {
      throw Error(QLOOM_E_INVALID,
                  "/mantissa_bits: 0, expected 1 or more: specials \"ieee\" need a code for NaN");
    }
    if (format_.specials == QLOOM_SPECIALS_NONE && format_.saturate == 0) {
      throw Error(
          QLOOM_E_INVALID,
          "/overflow: infinity, expected saturate: specials \"none\" have no code for overflow");
    }
    // Largest exponent code of a finite value, and its largest mantissa in units of the last place.
    const bool loses_top = is_ieee || (is_fn && mantissa() == 0);
    const int top = (1 << format_.exponent_bits) - (loses_top ? 2 : 1);
    const int last = (2 << mantissa()) - (is_fn && mantissa() > 0 ? 2 : 1);
    if (top < 1) {
      throw Error(QLOOM_E_INVALID, concat("/exponent_bits: ", format_.exponent_bits,
                                          " leaves no normal numbers, expected 2 or more"));
    }
    if (format_.bias > kFloatBias || top - format_.bias > kFloatBias) {
      throw Error(QLOOM_E_INVALID, concat("/bias: ", format_.bias, " leaves the range of float32, ",
                                          "expected ", top - kFloatBias, " to ", kFloatBias));
    }
    room_above_ = kFloatBias - (top - format_.bias);
    largest_ = std::ldexp(last, top - format_.bias - mantissa());
  }

  [[nodiscard]] qloom_float_format scaled(std::size_t group) const noexcept {
    qloom_float_format format = format_;
    format.bias -= scale_exponent_[group];
    return format;
  }
  /// body(format, part, i) for the parts of the block that have one scale.
  template <class Body>
  qloom_status quantize(const qloom_block& block, Body body) const noexcept {
    if (is_uniform_) return body(scaled(0), block, 0);
    qloom_status status = QLOOM_OK;
    for_each_run(block, [&](std::uint64_t i, std::uint64_t n, std::uint64_t group) {
      qloom_block part = block;
      part.first += i;
      part.n = n;
      if (status == QLOOM_OK) status = body(scaled(group), part, i);
    });
    return status;
  }

  static constexpr int kFloatBias = 127;  // of float32, also its top exponent

  qloom_float_format format_;
  bool is_clipped_, is_uniform_ = true;
  int room_above_ = 0;             // most by which a scale's exponent may rise
  double largest_ = 0;             // largest value of the format
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
