// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// JSON as users write it: syntax errors with line and column; a key that stands twice and text that
// is nested without end are refused.
#pragma once

#include <string>

#include "host/json/json.hpp"

namespace qloom::json {

/// InputError "<name>: parse error at line 3, column 7: ..." for text that is not JSON, and
/// "<name>: /data: the key "folder" stands twice" for an ambiguous object.
[[nodiscard]] Json parse(const std::string& text, const std::string& name);

}  // namespace qloom::json
