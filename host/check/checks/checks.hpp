// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The checks, by the file that holds them. What each promises: checks.cpp.
#pragma once

#include "host/check/context.hpp"

namespace qloom::check {

// library_checks.cpp
void check_exports(Context&);
void check_imports(Context&);
void check_unmapping(Context&);

// method_checks.cpp
void check_creation(Context&);
void check_manifest(Context&);
void check_floating_point(Context&);
void check_allocations(Context&);
void check_answers(Context&);
void check_repetition(Context&);
void check_threads(Context&);
void check_instruction_sets(Context&);
/// What the method gives: a line for every case, input and call with the digest of its values.
[[nodiscard]] std::string digests(Context&);

// process_checks.cpp
void check_process(Context&);

// memory_checks.cpp
void check_leaks(Context&);
void check_pure(Context&);

// race_checks.cpp
void check_races(Context&);

// random_checks.cpp
void check_random(Context&);

// state_checks.cpp
void check_state(Context&);
void check_state_versions(Context&);
void check_wrong_state(Context&);

// bounds_checks.cpp
void check_bounds(Context&);

// quantizer_checks.cpp
void check_quantizer_blocks(Context&);
void check_codes(Context&);
void check_quantizer_modes(Context&);
void check_quantizer_non_finite(Context&);
void check_learned(Context&);
void check_lowered_quantizer(Context&);

// gradient_checks.cpp
void check_quantizer_gradient(Context&);
void check_norm_gradient(Context&);

// range_checks.cpp
void check_range_groups(Context&);
void check_range_again(Context&);
void check_extremes(Context&);

// norm_checks.cpp
void check_norm_sums(Context&);
void check_norm_modes(Context&);
void check_norm_defaults(Context&);

// requantizer_checks.cpp
void check_requantizer_steps(Context&);

// kind_checks.cpp
void check_range_order(Context&);
void check_range_values(Context&);
void check_norm_blocks(Context&);
void check_norm_non_finite(Context&);
void check_inference(Context&);
void check_rounding_values(Context&);
void check_rounding_blocks(Context&);
void check_lowered_rounding(Context&);
void check_accumulator_tiles(Context&);
void check_accumulator_sums(Context&);
void check_events(Context&);

}  // namespace qloom::check
