// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/check/kinds/groups.hpp"

#include "host/check/kinds/record.hpp"
#include "host/kernels/kernels.hpp"

namespace qloom::check {
namespace {

float affine_value(const qloom_grid& grid, std::uint64_t g, std::int32_t code) {
  const std::int64_t steps = std::int64_t{code} - grid.zero_point[g];
  const float offset = grid.offset == nullptr ? 0.0F : grid.offset[g];
  return offset + static_cast<float>(static_cast<double>(steps) * double{grid.scale[g]});
}

/// Added in double, the offset first, and rounded once.
float sum_of_bases(const qloom_encoding& e, std::uint64_t g, std::int32_t code) {
  double sum = e.grid.offset == nullptr ? 0.0 : double{e.grid.offset[g]};
  for (std::uint32_t j = 0; j < e.bases; ++j) {
    sum += double{e.codebook[g * e.bases + j]} * (2 * (code >> j & 1) - 1);
  }
  return static_cast<float>(sum);
}

}  // namespace

EncodingGroups::EncodingGroups(const json::Json& params, const qloom_tensor& geometry)
    : count_(geometry.groups), inner_(geometry.inner) {
  if (!params.contains("block") || geometry.rank == 0) return;
  const auto rank = static_cast<std::int64_t>(geometry.rank);
  const auto given = params.at("axis").get<std::int64_t>();
  const std::int64_t axis = given < 0 ? given + rank : given;
  if (axis < 0 || axis >= rank) return;  // refused by prepare()
  block_ = params.at("block").get<std::uint64_t>();
  length_ = static_cast<std::uint64_t>(geometry.shape[axis]);
  inner_ = 1;
  for (std::int64_t i = axis + 1; i < rank; ++i) {
    inner_ *= static_cast<std::uint64_t>(geometry.shape[i]);
  }
  count_ = geometry.n == 0 ? 0 : of(geometry.n - 1) + 1;
}

std::uint64_t EncodingGroups::of(std::uint64_t element) const {
  const std::uint64_t row = element / inner_;
  if (block_ == 0) return row % count_;
  const std::uint64_t in_row = (length_ + block_ - 1) / block_;
  return (row / length_ * in_row + row % length_ / block_) * inner_ + element % inner_;
}

std::vector<float> decoded(const qloom_encoding& e, const EncodingGroups& groups,
                           const std::vector<std::int32_t>& codes) {
  const bool is_float = e.kind == QLOOM_ENCODING_FLOAT, is_sum = e.kind == QLOOM_ENCODING_BASES;
  if (!is_float && !is_sum && e.kind != QLOOM_ENCODING_AFFINE && e.kind != QLOOM_ENCODING_CODEBOOK)
    return {};
  std::vector<float> y(codes.size(), kUnwritten);
  if (is_float) {
    kernels::table().minifloat_decode(&e.format, codes.data(), y.data(), y.size());
    if (e.grid.scale == nullptr) return y;
  }
  for (std::size_t i = 0; i < y.size(); ++i) {
    const std::uint64_t g = groups.of(i);
    if (is_float) {
      y[i] *= e.grid.scale[g];
    } else if (e.kind == QLOOM_ENCODING_AFFINE) {
      y[i] = affine_value(e.grid, g, codes[i]);
    } else if (is_sum) {
      y[i] = sum_of_bases(e, g, codes[i]);
    } else if (static_cast<std::uint64_t>(codes[i]) < e.codebook_size) {
      y[i] = e.codebook[g * e.codebook_size + static_cast<std::uint64_t>(codes[i])];
    }
  }
  return y;
}

}  // namespace qloom::check
