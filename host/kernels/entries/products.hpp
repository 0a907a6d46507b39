// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Modelled accumulators on the inner loops of one core.
#pragma once

#include <cstdint>

#include "host/kernels/core.hpp"
#include "host/kernels/entries/rounding.hpp"
#include "host/kernels/entries/sum_row.hpp"
#include "host/kernels/reference/accumulate.hpp"

namespace qloom::kernels {

template <const Core& kCore>
struct Products {
  static void accumulate_integer(const qloom_tile* t, std::uint32_t width, std::uint32_t wrap,
                                 std::uint64_t* overflows) noexcept {
    if (width > 50) {
      ref::accumulate_integer(t, width, wrap, overflows);
    } else {
      *overflows += kCore.accumulate_integer[wrap != 0 ? 1 : 0]({t, width});
    }
  }
  static qloom_status accumulate_float(const qloom_call* call, const qloom_tile* t,
                                       const qloom_float_format* format, std::uint64_t chunk,
                                       std::uint64_t* overflows) noexcept {
    if (const qloom_status bad = check_rounding(*call); bad != QLOOM_OK) return bad;
    FloatJob job{};
    const bool is_method = call->rounding.rule == QLOOM_ROUND_GENERIC;
    const qloom_call own = is_method ? for_magnitudes(*call) : *call;
    if (const qloom_status bad = ref::make_spec(own, *format, job.spec); bad != QLOOM_OK) {
      return bad;
    }
    if (is_method) return SumRow<kCore>::rows(own, *t, job.spec, chunk, *overflows);
    job.tile = t;
    job.chunk = chunk;
    job.additions = t->k + ref::chunk_count(t->k, chunk);
    job.seed = call->seed;
    job.stream = call->stream;
    job.step = call->step;
    const bool draws_bits = call->rounding.rule == QLOOM_ROUND_STOCHASTIC;
    job.bits = draws_bits ? random_bits(call->rounding.argument) : 1;
    job.is_nearest =
        draws_bits && (call->rounding.argument & QLOOM_STOCHASTIC_NEAREST_FRACTION) != 0;
    *overflows += kCore.accumulate_float[sum_rule(call->rounding)](job);
    return QLOOM_OK;
  }
};

}  // namespace qloom::kernels
