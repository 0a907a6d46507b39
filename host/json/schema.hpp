// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include <string>

#include "host/json/json.hpp"

namespace qloom::json {

/// InputError "<where><pointer>: ..." when a schema that has the form of one (plugin.schema.json)
/// can still not be used: a "$ref" that names nothing or leads back to itself, a "pattern" that is
/// no regular expression, a "default" that does not fit.
void require_sound_schema(const Json& schema, const std::string& where);

}  // namespace qloom::json
