// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/network/plan/weight_planes.hpp"

#include <algorithm>

namespace qloom::network {
namespace {

constexpr float kUnit = 1.0F;
constexpr CodeForm kZeroOrOne{0, 1};

/// The different values of one group of a codebook on one side of 0.
std::vector<float> values_on_side(const qloom_encoding& e, std::uint64_t group, bool is_above) {
  std::vector<float> found;
  for (std::uint64_t i = 0; i < e.codebook_size; ++i) {
    const float v = e.codebook[group * e.codebook_size + i];
    const bool is_there = is_above ? v > 0 : v < 0;
    if (is_there && std::find(found.begin(), found.end(), v) == found.end()) found.push_back(v);
  }
  return found;
}

}  // namespace

bool is_of_planes(const qloom_encoding& encoding, std::uint64_t outputs) {
  if (encoding.kind != QLOOM_ENCODING_CODEBOOK) return false;
  if (encoding.groups != 1 && encoding.groups != outputs) return false;
  for (std::uint64_t g = 0; g < encoding.groups; ++g) {
    for (const bool is_above : {false, true}) {
      if (values_on_side(encoding, g, is_above).size() > 1) return false;
    }
  }
  return true;
}

void WeightPlanes::take(const qloom_encoding& encoding, const Tensor& weights_seen,
                        std::uint64_t outputs) {
  for (std::size_t p = 0; p < kCount; ++p) {
    const bool is_above = p == 0;
    value[p].clear();
    for (std::uint64_t c = 0; c < outputs; ++c) {
      const auto found = values_on_side(encoding, encoding.groups == 1 ? 0 : c, is_above);
      value[p].push_back(found.empty() ? 0.0 : double{found[0]});
    }
    codes_[p].resize(weights_seen.size(), kZeroOrOne);
    for (std::size_t i = 0; i < weights_seen.size(); ++i) {
      const float w = weights_seen[i];
      *codes_[p].at(i) = static_cast<std::uint8_t>(is_above ? w > 0 : w < 0);
    }
    weights[p] = {.scale = &kUnit, .scale_count = 1, .code_max = 1, .codes = codes_[p].view()};
  }
}

void WeightPlanes::forward(const contraction::ContractionShape& shape,
                           const contraction::Operand& x) {
  scratch_.resize({shape.y_size()});
  for (std::size_t p = 0; p < kCount; ++p) {
    sums[p].resize(static_cast<std::size_t>(shape.y_size()));
    contraction_[p].forward(shape, x, weights[p], nullptr, scratch_.data(), {}, sums[p].data());
  }
  are_there = true;
}

}  // namespace qloom::network
