// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The table of inner loops of one architecture, filled at compile time.
#pragma once

#include <utility>

#include "host/kernels/core.hpp"
#include "host/kernels/simd/accumulate_float.hpp"
#include "host/kernels/simd/accumulate_integer.hpp"
#include "host/kernels/simd/affine.hpp"
#include "host/kernels/simd/extremes.hpp"
#include "host/kernels/simd/minifloat.hpp"
#include "host/kernels/simd/random.hpp"
#include "host/kernels/simd/reduce.hpp"
#include "host/kernels/simd/sum_rows.hpp"
#include "host/kernels/simd/windows.hpp"

namespace qloom::kernels::simd {

/// Entries of the fused rule R.
template <class Arch, std::uint32_t R, std::uint32_t... L>
consteval void set_fused(Core& core, std::integer_sequence<std::uint32_t, L...>) {
  ((core.affine[R][L] = &affine<Arch, R, L>), ...);
  ((core.affine_mask[R][L] = &affine_mask<Arch, R, L>), ...);
  core.minifloat[R] = &minifloat<Arch, R>;
}

/// Entries without a rule.
template <class Arch, std::uint32_t... L>
consteval void set_layouts(Core& core, std::integer_sequence<std::uint32_t, L...>) {
  ((core.affine_magnitude[L] = &affine<Arch, kStochasticMagnitude, L>), ...);
  ((core.affine_rare[L] = &affine<Arch, kRare, L>), ...);
  ((core.affine_mask_rare[L] = &affine_mask<Arch, kRare, L>), ...);
  ((core.affine_steps[L] = &affine_steps<Arch, L>), ...);
  ((core.affine_decode[L] = &affine_decode<Arch, L>), ...);
  ((core.clip_backward[L] = &clip_backward<Arch, L>), ...);
  ((core.ternary[L] = &ternary<Arch, L>), ...);
}

template <class Arch, std::uint32_t... R>
consteval void set_fused_rules(Core& core, std::integer_sequence<std::uint32_t, R...>) {
  constexpr std::make_integer_sequence<std::uint32_t, kLayouts> kEvery;
  (set_fused<Arch, R>(core, kEvery), ...);
}

/// Entries of rules R + 1; kGiven has none.
template <class Arch, std::uint32_t... R>
consteval void set_rounds(Core& core, std::integer_sequence<std::uint32_t, R...>) {
  ((core.round[R + 1] = &round<Arch, R + 1>), ...);
}
template <class Arch, std::uint32_t... R>
consteval void set_sums(Core& core, std::integer_sequence<std::uint32_t, R...>) {
  ((core.accumulate_float[R + 1] = &accumulate_float<Arch, R + 1>), ...);
}

template <class Arch, std::uint32_t... Figure>
consteval void set_figures(Core& core, std::integer_sequence<std::uint32_t, Figure...>) {
  ((core.reduce_tile[Figure + 1] = &reduce_tile<Arch, Figure + 1>), ...);
  ((core.reduce_columns[Figure + 1] = &reduce_columns<Arch, Figure + 1>), ...);
}

template <class Arch>
consteval Core make_core() {
  Core core{};
  set_fused_rules<Arch>(core, std::make_integer_sequence<std::uint32_t, kFusedRules>{});
  set_rounds<Arch>(core, std::make_integer_sequence<std::uint32_t, kRules - 1>{});
  set_sums<Arch>(core, std::make_integer_sequence<std::uint32_t, kSumRules - 1>{});
  set_figures<Arch>(core, std::make_integer_sequence<std::uint32_t, QLOOM_REDUCE_COUNT - 1>{});
  set_layouts<Arch>(core, std::make_integer_sequence<std::uint32_t, kLayouts>{});
  core.minifloat_steps = &minifloat_steps<Arch>;
  core.minifloat_decode = &minifloat_decode<Arch>;
  core.random_u32 = &random_u32<Arch>;
  core.extremes_runs = &extremes_runs<Arch>;
  core.extremes_columns = &extremes_columns<Arch>;
  core.histogram_tables = &histogram_tables<Arch>;
  core.histogram_bins = &histogram_bins<Arch>;
  core.count_windows = &count_windows<Arch>;
  core.accumulate_integer[0] = &accumulate_integer<Arch, false>;
  core.accumulate_integer[1] = &accumulate_integer<Arch, true>;
  core.add_products = &add_products<Arch>;
  core.split_sums = &split_sums<Arch>;
  core.join_sums = &join_sums<Arch>;
  return core;
}

}  // namespace qloom::kernels::simd
