// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include <functional>
#include <string>

#include "host/json/json.hpp"

namespace qloom::json {

/// InputError "<where><pointer>: ..." when a schema that has the form of one (plugin.schema.json)
/// can still not be used: a "$ref" that names nothing or leads back to itself, a "pattern" that is
/// no regular expression, a "default" that does not fit.
void require_sound_schema(const Json& schema, const std::string& where);

/// visit(schema, pointer) for a schema and for every schema below it.
using SchemaVisit = std::function<void(const Json& schema, const std::string& pointer)>;
void for_each_schema(const Json& schema, const SchemaVisit& visit);

/// Does `narrow` allow no more than `wide`? Knows enum, oneOf, type and bounds; what else the two
/// say must be the same. Neither has a "$ref".
[[nodiscard]] bool is_narrower(const Json& narrow, const Json& wide);

}  // namespace qloom::json
