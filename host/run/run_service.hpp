// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The service "qloom.run/1": what procedures see and change of a run.
#pragma once

#include <cstdint>

#include <qloom/abi.h>

#include "host/run/state.hpp"

/// The handle that procedures get. They reach what the functions of the service let them; it is
/// valid as long as the run.
struct qloom_run {
  const qloom::run::Setup& setup;
  qloom::run::RunState& state;
};

namespace qloom::run {

using Services = qloom_run;

/// Puts the table where plugins find it; idempotent.
void install_run_service();

/// Calls the procedures that want this event (QLOOM_EVENT_*), in the pipeline's order.
void emit(Services& run, std::uint32_t event);

}  // namespace qloom::run
