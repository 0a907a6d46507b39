// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// JSON pointers (RFC 6901), as messages name places.
#pragma once

#include <string>

namespace qloom::json {

/// "~" and "/" of a key as a JSON pointer writes them, with "/" before it.
[[nodiscard]] std::string pointer_part(const std::string& key);

/// "<name>: <pointer>", the place that a message begins with; the pointer may be empty.
[[nodiscard]] std::string at(const std::string& name, const std::string& pointer);

}  // namespace qloom::json
