// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// NVFP4 (NVIDIA, 2025): e2m1 elements, an e4m3 scale for each block, a float32 scale for the
// tensor.
#include <algorithm>

#include <qloom/grids/scaled_blocks.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// g = max|x| / (448 * 6);  scale = g * e4m3((max|x| of the block / 6) / g), nearest even.
///
/// exactness: every operation in float32, in this order, rounded once
/// range:     elements saturate; a tensor of zeros, or a block whose e4m3 scale is 0, becomes 0
/// backward:  straight through
/// encoding:  float, one group and scale per block; 8 bits are stored for a block, 32 for the
/// tensor
class Nvfp4 : public ScaledBlocks<FloatElements> {
 public:
  static constexpr std::uint32_t kCaps =
      QLOOM_QUANTIZER_WANTS_TENSOR | QLOOM_QUANTIZER_USES_ROUNDING;

  explicit Nvfp4(const Params& params) : ScaledBlocks(params) {
    elements_.format = {2, 1, 1, QLOOM_SPECIALS_NONE, 1, 1};
  }

  void prepare(const qloom_prepare& in) {
    constexpr float kTop = 6.0F, kScaleTop = 448.0F;  // the largest e2m1 and e4m3
    constexpr qloom_float_format kE4m3{4, 3, 7, QLOOM_SPECIALS_FN, 1, 1};
    cut(in.x);
    n_ = in.x.n;
    const float largest = scale_.empty() ? 0.0F : *std::max_element(scale_.begin(), scale_.end());
    const float global = largest / (kTop * kScaleTop);
    std::vector<float> ratio(scale_.size(), 0.0F);
    for (std::size_t b = 0; global > 0.0F && b < ratio.size(); ++b) {
      ratio[b] = scale_[b] / kTop / global;
    }
    qloom_call call{};
    call.struct_size = sizeof call;
    call.rounding.rule = QLOOM_ROUND_NEAREST_EVEN;
    const qloom_block all = flat(0, ratio.size());
    static_cast<void>(
        kernels().minifloat(&call, &kE4m3, &all, ratio.data(), scale_.data(), nullptr));
    for (float& scale : scale_) scale *= global;
  }
  void encoding(qloom_encoding& out) const {
    constexpr double kBits = 4, kScaleBits = 8, kGlobalBits = 32;
    out.kind = QLOOM_ENCODING_FLOAT;
    out.bits = 4;
    out.is_signed = 1;
    out.groups = scale_.size();
    out.grid.scale = scale_.data();
    out.format = elements_.format;
    out.stored_bits = kBits * static_cast<double>(n_) +
                      kScaleBits * static_cast<double>(scale_.size()) + kGlobalBits;
  }

 private:
  std::uint64_t n_ = 0;
};

}  // namespace

QLOOM_METHODS(Quantizer<Nvfp4>)
