// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Words that explain.cpp and expected.cpp share.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "host/json/json.hpp"

namespace qloom::json {

/// Most characters of a pattern and of a text that one is searched in: <regex> calls itself for
/// each.
inline constexpr std::size_t kMostMatched = 1000;

/// The types that a schema allows; empty: it says nothing of them.
[[nodiscard]] std::vector<std::string> types_of(const Json& schema);
/// The items with the separator between them.
[[nodiscard]] std::string joined(const std::vector<std::string>& items, const char* separator);
/// '"a", "b"'
[[nodiscard]] std::string quoted_list(const std::vector<std::string>& names);

}  // namespace qloom::json
