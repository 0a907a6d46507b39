// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What stands behind the opaque types of abi.h on the host's side.
#pragma once

#include <qloom/abi.h>

#include "host/registry/registry.hpp"

struct qloom_params {
  const qloom::json::Json* json;
};
struct qloom_writer {
  qloom::data::Arrays* arrays;
};
struct qloom_reader {
  const qloom::data::Arrays* arrays;
};

namespace qloom::registry {

/// "qloom.run/1": hands every call on to the table of set_run_service(), so that a library loaded
/// before it was set follows; refuses with QLOOM_E_ORDER while there is none.
[[nodiscard]] const qloom_run_api& run_service();

}  // namespace qloom::registry
