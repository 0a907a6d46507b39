// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include <string>

#include "host/json/explain.hpp"
#include "host/json/json.hpp"

namespace qloom::json {

/// Checks `value` against a draft-07 schema (valijson) and fills in defaults. InputError
/// "<where><pointer>: <value> is not <expected>", for unknown keys with the nearest valid name.
[[nodiscard]] Json validate(const Json& schema, const Json& value, const std::string& where);

/// Fills in what `schema`, a part of the explainer's, has defaults for; the value follows it.
/// std::runtime_error when a default leads to ever more of them.
void fill_defaults(const Explainer& explainer, const Json& schema, Json& value);

}  // namespace qloom::json
