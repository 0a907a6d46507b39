// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The service "qloom.run/1": what procedures see and change of a run.
#pragma once

#include <cstdint>
#include <cstdio>
#include <exception>
#include <utility>

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

/// "qloom.tensors/1": what they see and change of stored tensors.
[[nodiscard]] const qloom_tensors_api& tensors_service();

/// Functions of "qloom.run/1": a quantizer of the network, one more rule.
qloom_status site_of(qloom_run* run, std::uint64_t index, qloom_run_site* out) noexcept;
qloom_status add_rule(qloom_run* run, const char* json, qloom_error* error) noexcept;

/// body() as a function of a service: what it throws is refused, with its text in *error or in the
/// log.
template <class Body>
qloom_status guarded(qloom_error* error, Body&& body) noexcept {
  try {
    return body();
  } catch (const std::exception& e) {
    if (error == nullptr) {
      registry::host_services().log(&registry::host_services(), 4, e.what());
    } else {
      error->code = QLOOM_E_INVALID;
      std::snprintf(error->message, sizeof error->message, "%s", e.what());
    }
    return QLOOM_E_INVALID;
  }
}
template <class Body>
qloom_status guarded(Body&& body) noexcept {
  return guarded(nullptr, std::forward<Body>(body));
}

/// Puts the tables where plugins find them; idempotent.
void install_run_service();

/// Calls the procedures that want this event (QLOOM_EVENT_*), in the pipeline's order.
void emit(Services& run, std::uint32_t event);

}  // namespace qloom::run
