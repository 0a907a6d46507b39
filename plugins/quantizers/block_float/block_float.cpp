// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Block floating point as the authors of SWALP (Yang et al., 2019) code it: integer mantissas that
// share one exponent per block.
#include <algorithm>
#include <cmath>

#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// E = floor(log2 max|x|) of the block (rule ceil: ceil), clipped to exponent_bits bits;
/// step = 2^(E - (bits - 2));  y = step * clamp(round(x / step), -2^(bits-1), 2^(bits-1) - 1)
///
/// The extremes of every step are wanted. A block of zeros, or without elements, has step 1.
/// backward:  dx = dy
/// encoding:  affine, scale = step per block, zero point 0
/// Deviation: the step is at least 2^-126, so that 1 / step is a float32. In a block that reaches
///            2^127 codes that stand for 2^128 or more are left out, the most negative one
///            included.
class BlockFloat : public UniformGrid {
 public:
  static constexpr std::uint32_t kCaps =
      QLOOM_QUANTIZER_WANTS_EXTREMES | QLOOM_QUANTIZER_USES_ROUNDING;

  explicit BlockFloat(const Params& params)
      : top_exponent_((1 << (params.integer("/exponent_bits") - 1)) - 1),
        rounds_up_(params.text("/exponent_rule") == "ceil") {
    set_codes(params.integer("/bits"), true, params.flag("/narrow_range"));
  }

  void prepare(const qloom_prepare& in) {
    const std::vector<double> largest = largest_magnitudes(in);
    if (scale_.size() != largest.size()) resize(largest.size());
    constexpr std::uint64_t kTogether = 4096;  // blocks may be as short as one element
    for_each((largest.size() + kTogether - 1) / kTogether, [&](std::uint64_t part) noexcept {
      const std::uint64_t begin = part * kTogether;
      const std::uint64_t end = std::min<std::uint64_t>(begin + kTogether, largest.size());
      for (std::uint64_t g = begin; g < end; ++g) fill(g, largest[g]);
    });
  }

 private:
  void fill(std::uint64_t group, double largest) noexcept {
    const int exponent = largest == 0 ? 0 : exponent_of(largest);
    const int step = std::clamp(exponent - (static_cast<int>(bits_) - 2), kLowestStep, kTopStep);
    const float scale = largest == 0 ? 1.0F : power_of_two(step);
    set(group, scale, 1.0F / scale);
  }
  [[nodiscard]] int exponent_of(double largest) const noexcept {
    const int exponent = rounds_up_ ? ceil_log2(largest) : floor_log2(largest);
    return std::clamp(exponent, -top_exponent_ - 1, top_exponent_);
  }

  static constexpr int kLowestStep = -126, kTopStep = 127;

  int top_exponent_;
  bool rounds_up_;
};

}  // namespace

QLOOM_METHODS(Quantizer<BlockFloat>)
