// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What a run does in a type of stage: a file of its name, which defines the record k<Type>. The
// build makes the table of them; what a stage is to others stands in pipeline::stage_types().
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "host/run/keeper.hpp"
#include "host/run/progress.hpp"
#include "host/run/reload.hpp"
#include "host/run/services/run_service.hpp"
#include "host/tensor/error.hpp"

namespace qloom::run::stages {

/// What a stage works with.
struct Work {
  Services& run;  ///< setup, state, and the events of procedures
  Reloads& reloads;
  Keeper& keeper;
  Progress& progress;
};

struct Action {
  const char* name;  ///< of the type
  /// Does the stage and gives its row of the report's "stages", but for its type; figures without a
  /// key in report.schema.json go into "figures". A stage that
  /// keeps no place of its own in the cursor begins anew with --resume: it ends with
  /// stop_if_asked(kBeginsAnew).
  Json (*run)(Work& work, const pipeline::Stage& stage);
};

inline constexpr const char* kBeginsAnew =
    "the stage begins anew with --resume, the last checkpoint stays as it is";

/// All of them, in the order of the files.
[[nodiscard]] std::span<const Action* const> table();
[[nodiscard]] const Action& action_of(const pipeline::StageType& type);

}  // namespace qloom::run::stages
