// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Modelled accumulators on the inner loops of one core.
#pragma once

#include <cmath>
#include <cstdint>

#include "host/kernels/core.hpp"
#include "host/kernels/entries/rounding.hpp"
#include "host/kernels/reference/accumulate.hpp"

namespace qloom::kernels {

template <const Core& kCore>
struct Products {
  /// Largest magnitude in a matrix of rows x columns.
  static double largest(const float* x, std::uint64_t rows, std::uint64_t columns,
                        std::int64_t pitch) noexcept {
    double largest = 0.0;
    for (std::uint64_t r = 0; r < rows; ++r) {
      const double row = kCore.reduce_tile[QLOOM_REDUCE_ABS_MAX](
          x + static_cast<std::int64_t>(r) * pitch, columns, 0.0);
      if (row > largest) largest = row;
    }
    return largest;
  }
  static void accumulate_integer(const qloom_tile* t, std::uint32_t width, std::uint32_t wrap,
                                 std::uint64_t* overflows) noexcept {
    constexpr std::uint32_t kWidestDouble = 50;  // register, and sum with a product, below 2^53
    if (width > kWidestDouble) {
      ref::accumulate_integer(t, width, wrap, overflows);
      return;
    }
    const double half = std::ldexp(1.0, static_cast<int>(width) - 1);
    const IntegerJob job{t, -half, half - 1.0};
    const double product =
        largest(t->a, t->m, t->k, t->lda) * largest(t->b, t->k, t->n, t->ldb);
    const bool fits_float = 2.0 * half + product <= 0x1p24;
    *overflows += kCore.accumulate_integer[fits_float ? 0 : 1][wrap != 0 ? 1 : 0](job);
  }
  static qloom_status accumulate_float(const qloom_call* call, const qloom_tile* t,
                                       const qloom_float_format* format, std::uint64_t chunk,
                                       std::uint64_t* overflows) noexcept {
    if (const qloom_status bad = check_rounding(*call); bad != QLOOM_OK) return bad;
    if (call->rounding.rule == QLOOM_ROUND_GENERIC) {
      return ref::accumulate_float(call, t, format, chunk, overflows);
    }
    FloatJob job{};
    if (const char* why = make_spec(*format, job.spec)) {
      return refuse(*call, QLOOM_E_INVALID, why);
    }
    job.tile = t;
    job.chunk = chunk;
    job.additions = t->k + ref::chunk_count(t->k, chunk);
    job.seed = call->seed;
    job.stream = call->stream;
    job.step = call->step;
    job.bits = call->rounding.rule == QLOOM_ROUND_STOCHASTIC ? call->rounding.argument : 1;
    *overflows += kCore.accumulate_float[loop_rule(call->rounding)](job);
    return QLOOM_OK;
  }
};

}  // namespace qloom::kernels
