// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// JSON pointers (RFC 6901), as messages name places.
#pragma once

#include <string>
#include <vector>

namespace qloom::json {

/// "~" and "/" of a key as a JSON pointer writes them, with "/" before it.
[[nodiscard]] std::string pointer_part(const std::string& key);

/// The keys of a pointer with ~0 and ~1 resolved. InputError "<who>: ..." when it is none.
[[nodiscard]] std::vector<std::string> pointer_parts(const std::string& pointer,
                                                     const std::string& who);

/// "<name>: <pointer>", the place that a message begins with; the pointer may be empty.
[[nodiscard]] std::string at(const std::string& name, const std::string& pointer);

}  // namespace qloom::json
