// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include <string>

#include "host/compile/compile.hpp"
#include "host/json/json.hpp"

namespace qloom::compile {

/// What was found, as compile.json has it: "layers", "totals", "float",
/// "is_integer".
[[nodiscard]] json::Json summary_of(const Compiled& compiled);
/// The same as a table for people.
[[nodiscard]] std::string summary_text(const json::Json& summary);

/// All refusals in lines: layer, reason, and the rule that would repair it.
[[nodiscard]] std::string text_of(const std::vector<Refusal>& refusals);

}  // namespace qloom::compile
