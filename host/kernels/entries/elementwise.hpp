// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Entries of qloom_kernels that work element by element, on the inner loops of one core.
#pragma once

#include <cstdint>
#include <limits>

#include "host/kernels/entries/rounding.hpp"
#include "host/kernels/entries/runs.hpp"

namespace qloom::kernels {

template <const Core& kCore>
struct Elementwise {
  static Tables<6> tables(const qloom_grid& g) noexcept {
    return {g.scale, g.inv_scale, g.zero_point, g.offset, g.code_min, g.code_max};
  }
  static GridRun run(const Tables<6>& t) noexcept { return {t[0], t[1], t[2], t[3], t[4], t[5]}; }

  /// out(run, per_element, input, i, n) after rounding of each run is ready.
  template <class Out>
  static qloom_status on_grid(const qloom_call& call, const qloom_grid& grid,
                              const qloom_block& block, const float* x, const Out& out) noexcept {
    if (const qloom_status bad = check_rounding(call); bad != QLOOM_OK) return bad;
    Rounder<kCore> rounder(call);
    return for_each_run(tables(grid), block, [&](const Tables<6>& t, bool per_element,
                                                 std::uint64_t i, std::uint64_t n) {
      const GridRun entries = run(t);
      const qloom_status status = rounder.prepare(block.first + i, n, [&](float* steps) {
        kCore.affine_steps[per_element](entries, x + i, steps, n);
      });
      if (status == QLOOM_OK) out(entries, rounder, per_element, i, n);
      return status;
    });
  }
  static qloom_status affine(const qloom_call* call, const qloom_grid* grid,
                             const qloom_block* block, const float* x, float* y,
                             std::int32_t* code) noexcept {
    return on_grid(*call, *grid, *block, x, [&](const GridRun& g, const Rounder<kCore>& rounder,
                                                bool per_element, std::uint64_t i,
                                                std::uint64_t n) {
      const RoundInput in = rounder.input();
      if (y != nullptr) kCore.affine_value[rounder.rule()][per_element](g, in, x + i, y + i, n);
      if (code != nullptr) {
        kCore.affine_code[rounder.rule()][per_element](g, in, x + i, code + i, n);
      }
    });
  }
  static qloom_status affine_backward(const qloom_call* call, const qloom_grid* grid,
                                      const qloom_block* block, const float* x, const float* dy,
                                      float* dx) noexcept {
    return on_grid(*call, *grid, *block, x, [&](const GridRun& g, const Rounder<kCore>& rounder,
                                                bool per_element, std::uint64_t i,
                                                std::uint64_t n) {
      kCore.affine_mask[rounder.rule()][per_element](g, rounder.input(), x + i, dy + i, dx + i, n);
    });
  }
  static void affine_decode(const qloom_grid* grid, const qloom_block* block,
                            const std::int32_t* code, float* y) noexcept {
    for_each_run(tables(*grid), *block, [&](const Tables<6>& t, bool per_element, std::uint64_t i,
                                            std::uint64_t n) {
      kCore.affine_decode[per_element](run(t), code + i, y + i, n);
      return qloom_status{QLOOM_OK};
    });
  }
  static void clip_backward(const float* lo, const float* hi, const qloom_block* block,
                            const float* x, const float* dy, float* dx) noexcept {
    for_each_run(Tables<2>{lo, hi}, *block, [&](const Tables<2>& t, bool per_element,
                                                std::uint64_t i, std::uint64_t n) {
      kCore.clip_backward[per_element]({t[0], t[1]}, x + i, dy + i, dx + i, n);
      return qloom_status{QLOOM_OK};
    });
  }
  static void ternary(const float* low_threshold, const float* high_threshold, const float* low,
                      const float* high, const qloom_block* block, const float* x,
                      float* y) noexcept {
    for_each_run(Tables<4>{low_threshold, high_threshold, low, high}, *block,
                 [&](const Tables<4>& t, bool per_element, std::uint64_t i, std::uint64_t n) {
                   kCore.ternary[per_element]({t[0], t[1], t[2], t[3]}, x + i, y + i, n);
                   return qloom_status{QLOOM_OK};
                 });
  }
  static qloom_status minifloat(const qloom_call* call, const qloom_float_format* format,
                                const qloom_block* block, const float* x, float* y,
                                std::int32_t* code) noexcept {
    if (const qloom_status bad = check_rounding(*call); bad != QLOOM_OK) return bad;
    FloatSpec spec;
    if (const char* why = make_spec(*format, spec)) return refuse(*call, QLOOM_E_INVALID, why);
    Rounder<kCore> rounder(*call);
    for (std::uint64_t i = 0; i < block->n; i += kRunElements) {
      const std::uint64_t n = block->n - i < kRunElements ? block->n - i : kRunElements;
      const qloom_status status = rounder.prepare(
          block->first + i, n, [&](float* t) { kCore.minifloat_steps(spec, x + i, t, n); });
      if (status != QLOOM_OK) return status;
      const RoundInput in = rounder.input();
      if (y != nullptr) kCore.minifloat_value[rounder.rule()](spec, in, x + i, y + i, n);
      if (code != nullptr) kCore.minifloat_code[rounder.rule()](spec, in, x + i, code + i, n);
    }
    return QLOOM_OK;
  }
  static void minifloat_decode(const qloom_float_format* format, const std::int32_t* code,
                               float* y, std::uint64_t n) noexcept {
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
    if (call->rounding.rule == QLOOM_ROUND_GENERIC) {
      return call->rounding.ops->round(call->rounding.self, call, first, x, y, n);
    }
    Rounder<kCore> rounder(*call);
    for (std::uint64_t i = 0; i < n; i += kRunElements) {
      const std::uint64_t count = n - i < kRunElements ? n - i : kRunElements;
      rounder.prepare(first + i, count, [](float*) {});
      kCore.round[rounder.rule()](rounder.input(), x + i, y + i, count);
    }
    return QLOOM_OK;
  }
};

}  // namespace qloom::kernels
