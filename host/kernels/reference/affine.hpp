// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Uniform grids and the element-wise selections beside them: the definition. Read this first.
#pragma once

#include <cstdint>

#include <qloom/abi.h>

#include "host/kernels/reference/round.hpp"

namespace qloom::kernels::ref {

/// Group of element i of a block, an index into the per-group tables.
inline std::uint64_t group_of(const qloom_block& block, std::uint64_t i) noexcept {
  return (block.first + i) / block.inner % block.groups;
}

/// The grid of one group.
struct Grid {
  Grid(const qloom_grid& g, std::uint64_t group) noexcept
      : scale(g.scale[group]),
        inv_scale(g.inv_scale[group]),
        zero_point(static_cast<float>(g.zero_point[group])),
        offset(g.offset != nullptr ? g.offset[group] : 0.0F),
        code_min(static_cast<float>(g.code_min[group])),
        code_max(static_cast<float>(g.code_max[group])) {}

  /// x in grid steps. Unit: codes, zero point taken off.
  [[nodiscard]] float steps(float x) const noexcept { return (x - offset) * inv_scale; }
  /// The code of a rounded number of steps: saturated; NaN gives code_min, as IEEE maximumNumber.
  [[nodiscard]] float code(float rounded) const noexcept {
    const float shifted = rounded + zero_point;
    const float low = shifted > code_min ? shifted : code_min;
    return low < code_max ? low : code_max;
  }
  [[nodiscard]] float value(float code) const noexcept {
    return offset + (code - zero_point) * scale;
  }
  /// Was the rounded number of steps a code without saturation? NaN: no.
  [[nodiscard]] bool inside(float rounded) const noexcept {
    const float shifted = rounded + zero_point;
    return code_min <= shifted && shifted <= code_max;
  }

  float scale, inv_scale, zero_point, offset, code_min, code_max;
};

inline qloom_status affine(const qloom_call* call, const qloom_grid* grid, const qloom_block* block,
                           const float* x, float* y, std::int32_t* code) noexcept {
  if (const qloom_status bad = check_rounding(*call); bad != QLOOM_OK) return bad;
  for (std::uint64_t i = 0; i < block->n; ++i) {
    const Grid g(*grid, group_of(*block, i));
    float rounded = 0.0F;
    const qloom_status status = round_one(*call, block->first + i, g.steps(x[i]), rounded);
    if (status != QLOOM_OK) return status;
    const float c = g.code(rounded);
    if (y != nullptr) y[i] = g.value(c);
    if (code != nullptr) code[i] = static_cast<std::int32_t>(c);
  }
  return QLOOM_OK;
}

inline void affine_decode(const qloom_grid* grid, const qloom_block* block,
                          const std::int32_t* code, float* y) noexcept {
  for (std::uint64_t i = 0; i < block->n; ++i) {
    y[i] = Grid(*grid, group_of(*block, i)).value(static_cast<float>(code[i]));
  }
}

inline qloom_status affine_backward(const qloom_call* call, const qloom_grid* grid,
                                    const qloom_block* block, const float* x, const float* dy,
                                    float* dx) noexcept {
  if (const qloom_status bad = check_rounding(*call); bad != QLOOM_OK) return bad;
  for (std::uint64_t i = 0; i < block->n; ++i) {
    const Grid g(*grid, group_of(*block, i));
    float rounded = 0.0F;
    const qloom_status status = round_one(*call, block->first + i, g.steps(x[i]), rounded);
    if (status != QLOOM_OK) return status;
    dx[i] = g.inside(rounded) ? dy[i] : 0.0F;
  }
  return QLOOM_OK;
}

/// range: NaN gives 0; a bound is inside.
inline void clip_backward(const float* lo, const float* hi, const qloom_block* block,
                          const float* x, const float* dy, float* dx) noexcept {
  for (std::uint64_t i = 0; i < block->n; ++i) {
    const std::uint64_t g = group_of(*block, i);
    dx[i] = lo[g] <= x[i] && x[i] <= hi[g] ? dy[i] : 0.0F;
  }
}

/// range: NaN gives 0; where both comparisons hold, high wins.
inline void ternary(const float* low_threshold, const float* high_threshold, const float* low,
                    const float* high, const qloom_block* block, const float* x,
                    float* y) noexcept {
  for (std::uint64_t i = 0; i < block->n; ++i) {
    const std::uint64_t g = group_of(*block, i);
    const float not_high = x[i] < low_threshold[g] ? low[g] : 0.0F;
    y[i] = x[i] > high_threshold[g] ? high[g] : not_high;
  }
}

}  // namespace qloom::kernels::ref
