// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include <string>
#include <string_view>

#include "host/json/json.hpp"

namespace qloom::json {

/// Is all of it UTF-8 (RFC 3629)?
[[nodiscard]] bool is_utf8(std::string_view text);

/// Text of a plugin as it may go to a terminal, a log or a report: control characters (C0, DEL, C1,
/// line and tab too, and the marks that turn the direction of writing) become "\x1b", "\n",
/// "\u202e"; so do bytes that are no UTF-8. Everything else stays.
[[nodiscard]] std::string printable(std::string_view text);

/// JSON text for a terminal: what printable() escapes stands as \u escapes in it, so that it reads
/// back as the same value. Bytes that are no UTF-8 become U+FFFD.
[[nodiscard]] std::string printable_json(const Json& value, int indent);

}  // namespace qloom::json
