// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "host/json/json.hpp"

namespace qloom::json {

/// A member of an object gets another key and, where there is one, another value.
struct MemberEdit {
  std::string object;  ///< JSON pointer of the object
  std::string key, new_key;
  std::optional<Json> value;
};

/// The text with these members changed and every other byte as it was: order, indentation, line
/// ends. `text` is JSON that parse() accepts; an edit of a member that is not there does nothing.
[[nodiscard]] std::string edited(const std::string& text, const std::vector<MemberEdit>& edits);

}  // namespace qloom::json
