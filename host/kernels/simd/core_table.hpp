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
#include "host/kernels/simd/minifloat.hpp"
#include "host/kernels/simd/random.hpp"
#include "host/kernels/simd/reduce.hpp"

namespace qloom::kernels::simd {

/// Entries of rule R.
template <class Arch, std::uint32_t R>
consteval void set_rule(Core& core) {
  core.affine_value[R][0] = &affine_value<Arch, R, false>;
  core.affine_value[R][1] = &affine_value<Arch, R, true>;
  core.affine_code[R][0] = &affine_code<Arch, R, false>;
  core.affine_code[R][1] = &affine_code<Arch, R, true>;
  core.affine_mask[R][0] = &affine_mask<Arch, R, false>;
  core.affine_mask[R][1] = &affine_mask<Arch, R, true>;
  core.minifloat_value[R] = &minifloat_value<Arch, R>;
  core.minifloat_code[R] = &minifloat_code<Arch, R>;
  if constexpr (R != kGiven) {
    core.round[R] = &round<Arch, R>;
    core.accumulate_float[R] = &accumulate_float<Arch, R>;
  }
}

template <class Arch, std::uint32_t... R>
consteval void set_rules(Core& core, std::integer_sequence<std::uint32_t, R...>) {
  (set_rule<Arch, R>(core), ...);
}

template <class Arch, std::uint32_t... Figure>
consteval void set_figures(Core& core, std::integer_sequence<std::uint32_t, Figure...>) {
  ((core.reduce_tile[Figure + 1] = &reduce_tile<Arch, Figure + 1>), ...);
  ((core.reduce_columns[Figure + 1] = &reduce_columns<Arch, Figure + 1>), ...);
}

template <class Arch>
consteval Core make_core() {
  Core core{};
  set_rules<Arch>(core, std::make_integer_sequence<std::uint32_t, kRules>{});
  set_figures<Arch>(core, std::make_integer_sequence<std::uint32_t, QLOOM_REDUCE_COUNT - 1>{});
  core.affine_steps[0] = &affine_steps<Arch, false>;
  core.affine_steps[1] = &affine_steps<Arch, true>;
  core.affine_decode[0] = &affine_decode<Arch, false>;
  core.affine_decode[1] = &affine_decode<Arch, true>;
  core.clip_backward[0] = &clip_backward<Arch, false>;
  core.clip_backward[1] = &clip_backward<Arch, true>;
  core.ternary[0] = &ternary<Arch, false>;
  core.ternary[1] = &ternary<Arch, true>;
  core.minifloat_steps = &minifloat_steps<Arch>;
  core.minifloat_decode = &minifloat_decode<Arch>;
  core.random_u32 = &random_u32<Arch>;
  core.histogram_bins = &histogram_bins<Arch>;
  core.accumulate_integer[0] = &accumulate_integer<Arch, false>;
  core.accumulate_integer[1] = &accumulate_integer<Arch, true>;
  return core;
}

}  // namespace qloom::kernels::simd
