// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The service "qloom.run/1": what procedures see and change of a run.
#pragma once

#include <qloom/abi.h>

namespace qloom::run {

class Trainer;

/// Puts the table where plugins find it; idempotent.
void install_run_service();

/// The handle that procedures get; valid while the trainer lives.
[[nodiscard]] qloom_run* as_run(Trainer& trainer);

}  // namespace qloom::run
