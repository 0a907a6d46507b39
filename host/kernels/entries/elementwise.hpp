// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Entries of qloom_kernels that work element by element, on the inner loops of one core.
#pragma once

#include <cstdint>
#include <limits>

#include "host/kernels/entries/rounding.hpp"
#include "host/kernels/entries/runs.hpp"
#include "host/kernels/reference/overflow.hpp"

namespace qloom::kernels {

template <const Core& kCore>
struct Elementwise {
  static Sources<6> tables(const qloom_grid& g) noexcept {
    return {g.scale, g.inv_scale, g.zero_point, g.offset, g.code_min, g.code_max};
  }
  static GridRun run(const Tables<6>& t) noexcept { return {t[0], t[1], t[2], t[3], t[4], t[5]}; }

  /// out(grid run, layout, group run, rounding input, i, n) when rounding of each run is ready.
  template <class Out>
  static qloom_status on_grid(const qloom_call& call, bool fuses_magnitude, const qloom_grid& grid,
                              const qloom_block& block, const float* x, const Out& out) noexcept {
    if (const qloom_status bad = check_rounding(call); bad != QLOOM_OK) return bad;
    Rounder<kCore> rounder(call, grid_rule(call.rounding, fuses_magnitude));
    return for_each_run(tables(grid), block, rounder.cut(),
                        [&](const Tables<6>& t, Layout layout, const GroupRun& groups,
                            std::uint64_t i, std::uint64_t n) {
                          const GridRun g = run(t);
                          const qloom_status status =
                              rounder.prepare(block.first + i, n, [&](float* steps) {
                                kCore.affine_steps[layout](g, groups, x + i, steps, n);
                              });
                          if (status == QLOOM_OK) out(g, layout, groups, rounder.input(), i, n);
                          return status;
                        });
  }
  static qloom_status affine(const qloom_call* call, const qloom_grid* grid,
                             const qloom_block* block, const float* x, float* y,
                             std::int32_t* code) noexcept {
    const std::uint32_t rule = grid_rule(call->rounding, true);
    const auto loops = rule == kStochasticMagnitude ? kCore.affine_magnitude
                       : rule == kRare              ? kCore.affine_rare
                                                    : kCore.affine[rule];
    return on_grid(*call, true, *grid, *block, x,
                   [&](const GridRun& g, Layout layout, const GroupRun& groups,
                       const RoundInput& in, std::uint64_t i, std::uint64_t n) {
                     loops[layout](g, groups, in, x + i, y != nullptr ? y + i : nullptr,
                                   code != nullptr ? code + i : nullptr, n);
                   });
  }
  static qloom_status affine_backward(const qloom_call* call, const qloom_grid* grid,
                                      const qloom_block* block, const float* x, const float* dy,
                                      float* dx) noexcept {
    const std::uint32_t rule = grid_rule(call->rounding, false);
    const auto loops = rule == kRare ? kCore.affine_mask_rare : kCore.affine_mask[rule];
    return on_grid(*call, false, *grid, *block, x,
                   [&](const GridRun& g, Layout layout, const GroupRun& groups,
                       const RoundInput& in, std::uint64_t i, std::uint64_t n) {
                     loops[layout](g, groups, in, x + i, dy + i, dx + i, n);
                   });
  }
  static void affine_decode(const qloom_grid* grid, const qloom_block* block,
                            const std::int32_t* code, float* y) noexcept {
    for_each_run(tables(*grid), *block, Cut{},
                 [&](const Tables<6>& t, Layout layout, const GroupRun& groups, std::uint64_t i,
                     std::uint64_t n) {
                   kCore.affine_decode[layout](run(t), groups, code + i, y + i, n);
                   return qloom_status{QLOOM_OK};
                 });
  }
  static void clip_backward(const float* lo, const float* hi, const qloom_block* block,
                            const float* x, const float* dy, float* dx) noexcept {
    for_each_run(Sources<2>{lo, hi}, *block, Cut{},
                 [&](const Tables<2>& t, Layout layout, const GroupRun& groups, std::uint64_t i,
                     std::uint64_t n) {
                   kCore.clip_backward[layout]({t[0], t[1]}, groups, x + i, dy + i, dx + i, n);
                   return qloom_status{QLOOM_OK};
                 });
  }
  static void ternary(const float* low_threshold, const float* high_threshold, const float* low,
                      const float* high, const qloom_block* block, const float* x,
                      float* y) noexcept {
    for_each_run(Sources<4>{low_threshold, high_threshold, low, high}, *block, Cut{},
                 [&](const Tables<4>& t, Layout layout, const GroupRun& groups, std::uint64_t i,
                     std::uint64_t n) {
                   kCore.ternary[layout]({t[0], t[1], t[2], t[3]}, groups, x + i, y + i, n);
                   return qloom_status{QLOOM_OK};
                 });
  }
  static qloom_status minifloat(const qloom_call* call, const qloom_float_format* format,
                                const qloom_block* block, const float* x, float* y,
                                std::int32_t* code) noexcept {
    if (const qloom_status bad = check_rounding(*call); bad != QLOOM_OK) return bad;
    const qloom_call own = for_magnitudes(*call);
    FloatSpec spec;
    if (const qloom_status bad = ref::make_spec(own, *format, spec); bad != QLOOM_OK) return bad;
    Rounder<kCore> rounder(own, format_rule(own.rounding));
    for (std::uint64_t i = 0, n = 0; i < block->n; i += n) {
      n = smaller(block->n - i, rounder.cut().most);
      const qloom_status status = rounder.prepare(
          block->first + i, n, [&](float* t) { kCore.minifloat_steps(spec, x + i, t, n); });
      if (status != QLOOM_OK) return status;
      kCore.minifloat[rounder.rule()](spec, rounder.input(), x + i, y != nullptr ? y + i : nullptr,
                                      code != nullptr ? code + i : nullptr, n);
    }
    return QLOOM_OK;
  }
  static void minifloat_decode(const qloom_float_format* format, const std::int32_t* code, float* y,
                               std::uint64_t n) noexcept {
    FloatSpec spec;
    if (make_spec(*format, spec) == nullptr) {
      kCore.minifloat_decode(spec, code, y, n);
      return;
    }
    for (std::uint64_t i = 0; i < n; ++i) y[i] = std::numeric_limits<float>::quiet_NaN();
  }
  static qloom_status round(const qloom_call* call, std::uint64_t first, const float* x, float* y,
                            std::uint64_t n) noexcept {
    if (const qloom_status bad = check_rounding(*call); bad != QLOOM_OK) return bad;
    const qloom_rounding_ref& r = call->rounding;
    if (r.rule == QLOOM_ROUND_GENERIC) return r.ops->round(r.self, call, first, x, y, n);
    kCore.round[round_rule(r)](round_input(*call, nullptr, first), x, y, n);
    return QLOOM_OK;
  }
};

}  // namespace qloom::kernels
