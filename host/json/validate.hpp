// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include <string>

#include "host/json/json.hpp"

namespace qloom::json {

/// Checks `value` against a draft-07 schema (valijson) and fills in defaults. InputError
/// "<where><pointer>: <value> is not <expected>", for unknown keys with the nearest valid name.
[[nodiscard]] Json validate(const Json& schema, const Json& value, const std::string& where);

}  // namespace qloom::json
