// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The Microscaling formats (Rouhani et al., 2023; OCP MX 1.0): small elements in blocks along an
// axis that share a power of two.
#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>

#include <qloom/float_format.hpp>
#include <qloom/grids/scaled_blocks.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// scale = 2^clamp(floor(log2 max|x|) - emax, -127, 127) of each block, which E8M0 holds; emax is
/// the exponent of the largest element. A block of zeros has the scale 1.
///
/// exactness: x / scale is exact down to 2^-126, far below the smallest element
/// backward:  straight through
template <class Elements>
class PowersOfTwo : public ScaledBlocks<Elements> {
 public:
  static constexpr std::uint32_t kCaps =
      QLOOM_QUANTIZER_WANTS_TENSOR | QLOOM_QUANTIZER_USES_ROUNDING;

 protected:
  using Base = ScaledBlocks<Elements>;
  using Base::Base, Base::scale_;

  void find_scales(const qloom_tensor& x, int emax) {
    this->cut(x);
    for (float& m : scale_) {
      m = m > 0.0F ? std::ldexp(1.0F, std::clamp(floor_log2(m) - emax, -127, 127)) : 1.0F;
    }
  }
  void describe(qloom_encoding& out, std::uint32_t bits) const {
    out.bits = bits;
    out.is_signed = 1;
    out.groups = scale_.size();
    out.flags = QLOOM_ENCODING_SHARED_EXPONENT;
  }
};

/// Floating-point elements, which saturate.
class MxFloat : public PowersOfTwo<FloatElements> {
 public:
  static bool accepts(const Params& params) { return params.text("/format") != "mxint8"; }

  explicit MxFloat(const Params& params) : PowersOfTwo(params) {
    struct Format {
      std::string_view name;
      qloom_float_format format;
    };
    constexpr Format kFormats[] = {{"mxfp8_e4m3", {4, 3, 7, QLOOM_SPECIALS_FN, 1, 1}},
                                   {"mxfp8_e5m2", {5, 2, 15, QLOOM_SPECIALS_IEEE, 1, 1}},
                                   {"mxfp6_e3m2", {3, 2, 3, QLOOM_SPECIALS_NONE, 1, 1}},
                                   {"mxfp6_e2m3", {2, 3, 1, QLOOM_SPECIALS_NONE, 1, 1}},
                                   {"mxfp4_e2m1", {2, 1, 1, QLOOM_SPECIALS_NONE, 1, 1}}};
    const std::string wanted = params.text("/format");
    elements_.format = std::find_if(kFormats, std::end(kFormats), [&](auto& f) {
                         return f.name == wanted;
                       })->format;
  }

  void prepare(const qloom_prepare& in) { find_scales(in.x, top_of(elements_.format).exponent); }
  void encoding(qloom_encoding& out) const {
    describe(out, 1 + elements_.format.exponent_bits + elements_.format.mantissa_bits);
    out.kind = QLOOM_ENCODING_FLOAT;
    out.grid.scale = scale_.data();
    out.format = elements_.format;
  }
};

/// Integers -127 .. 127 in steps of 1/64.
struct IntegerElements {
  static constexpr float kStep = 0x1p-6F, kPerStep = 0x1p6F;
  static constexpr std::int32_t kZero = 0, kLeast = -127, kMost = 127;
  static constexpr qloom_grid kGrid{&kStep, &kPerStep, nullptr, &kZero, &kLeast, &kMost};

  qloom_status round(const qloom_call& call, const qloom_block& flat, const float* t, float* y,
                     std::int32_t* code) const noexcept {
    return kernels().affine(&call, &kGrid, &flat, t, y, code);
  }
  void decode(const qloom_block& flat, const std::int32_t* code, float* y) const noexcept {
    kernels().affine_decode(&kGrid, &flat, code, y);
  }
};

class MxInt8 : public PowersOfTwo<IntegerElements> {
 public:
  static bool accepts(const Params& params) { return !MxFloat::accepts(params); }
  explicit MxInt8(const Params& params) : PowersOfTwo(params) {}

  void prepare(const qloom_prepare& in) {
    find_scales(in.x, 0);
    step_ = inv_step_ = scale_;
    for (float& step : step_) step *= IntegerElements::kStep;
    for (float& inverse : inv_step_) {
      inverse = std::min(IntegerElements::kPerStep / inverse, std::numeric_limits<float>::max());
    }
    zero_.assign(scale_.size(), IntegerElements::kZero);
    least_.assign(scale_.size(), IntegerElements::kLeast);
    most_.assign(scale_.size(), IntegerElements::kMost);
  }
  void encoding(qloom_encoding& out) const {
    describe(out, 8);
    out.kind = QLOOM_ENCODING_AFFINE;
    out.grid = {step_.data(), inv_step_.data(), nullptr, zero_.data(), least_.data(), most_.data()};
  }

 private:
  std::vector<float> step_, inv_step_;
  std::vector<std::int32_t> zero_, least_, most_;
};

}  // namespace

QLOOM_METHODS(QuantizerVariants<MxFloat, MxInt8>)
