// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Text becomes JSON here and nowhere else.
#pragma once

#include <cstdint>
#include <string>

#include "host/json/json.hpp"

namespace qloom::json {

/// Most that is read. Unit: bytes.
inline constexpr std::uint64_t kMostBytes = std::uint64_t{256} << 20;

/// The text's value; `name` begins every message. InputError for
///   text that is not JSON: "<name>: parse error at line 3, column 7: ..."; comments, text after
///   the
///     value, NaN, numbers beyond float64 and bytes that are no UTF-8 are not JSON,
///   a key that stands twice: "<name>: /data: the key "folder" stands twice",
///   more than 100 levels, more than kMostBytes.
[[nodiscard]] Json parse(const std::string& text, const std::string& name);

/// parse(), but text that is not JSON becomes a string, as --set takes it.
[[nodiscard]] Json parse_or_text(const std::string& text, const std::string& name);

/// InputError "<where>/format: 3 is newer than 1, the newest known" for a document of a form that
/// is newer than `newest`, before its unknown keys are refused.
void require_known_format(const Json& document, int newest, const std::string& where);

}  // namespace qloom::json
