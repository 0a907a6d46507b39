// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// JSON as users write it: syntax errors with line and column, a key that stands twice is refused.
#pragma once

#include <filesystem>
#include <string>

#include "host/registry/registry.hpp"

namespace qloom::pipeline {

/// InputError "<name>: parse error at line 3, column 7: ..." for text that is not JSON, and
/// "<name>: /data: the key "folder" stands twice" for an ambiguous object.
[[nodiscard]] registry::Json parse_json(const std::string& text, const std::string& name);

/// The file as JSON; InputError when it cannot be read either.
[[nodiscard]] registry::Json read_json(const std::filesystem::path& file);

/// "<name>: <text>" with the place between them; the pointer may be empty.
[[nodiscard]] std::string at(const std::string& name, const std::string& pointer);

}  // namespace qloom::pipeline
