// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// In which order a step program runs as C, sample by sample where it can, and where its tensors
// lie.
#pragma once

#include <cstdint>
#include <vector>

#include "host/step_program/step_program.hpp"

namespace qloom::exchange::c {

/// Operations that run one after the other: first those on weights, then, for one sample after the
/// other, those on samples. What adds up over all samples is complete behind it.
struct Phase {
  std::vector<int> whole;    ///< operations on weights
  std::vector<int> samples;  ///< operations on samples, and sums over them
};

/// Where a tensor lies.
struct StepPlace {
  enum class Where {
    kNowhere,    ///< nobody needs it
    kImages,     ///< the caller's
    kParameter,  ///< an array of the program
    kNumber,     ///< a variable
    kArena
  } where = Where::kNowhere;
  bool is_of_batch = false;  ///< one for each sample lies there, not that of the present one alone
  std::int64_t offset = 0;   ///< bytes, divisible by 8
};

struct StepPlan {
  std::vector<Phase> phases;
  std::vector<StepPlace> places;  ///< of each tensor
  std::int64_t arena = 0;         ///< bytes
  std::int64_t least = 0;         ///< most bytes that live at one time

  [[nodiscard]] const StepPlace& of(int tensor) const {
    return places[static_cast<std::size_t>(tensor)];
  }
};

/// Of a whole step. InputError where stored weights would have to be there twice.
[[nodiscard]] StepPlan plan_step(const step_program::Program& program);
/// Of the class of one image.
[[nodiscard]] StepPlan plan_run(const step_program::Program& program);

/// Does the operation add up, or find the largest, over all samples?
[[nodiscard]] bool sums_samples(const step_program::Program& program, const step_program::Op& op);

}  // namespace qloom::exchange::c
