// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What stands behind the opaque types of abi.h on the host's side.
#pragma once

#include <qloom/abi.h>

#include "host/registry/registry.hpp"

struct qloom_params {
  const qloom::json::Json* json;
  // Whose parameters: of a method under create().
  const qloom::registry::Registry* registry = nullptr;
  const qloom::registry::Method* method = nullptr;
};
struct qloom_writer {
  qloom::data::Arrays* arrays;
};
struct qloom_reader {
  const qloom::data::Arrays* arrays;
};

namespace qloom::registry {

/// They hand every call on to the tables of set_run_services(), so that a library loaded before
/// these were set follows; refuse with QLOOM_E_ORDER while there are none.
[[nodiscard]] RunServices run_services();

[[nodiscard]] const qloom_linear_api& linear_service();
/// "qloom.methods/1": methods inside methods.
[[nodiscard]] const qloom_methods_api& methods_service();

}  // namespace qloom::registry
