// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// JSON files of users, read strictly.
#pragma once

#include <filesystem>

#include "host/json/text.hpp"
#include "host/registry/registry.hpp"

namespace qloom::pipeline {

using json::at;
using json::parse_json;

/// The file as JSON; InputError when it cannot be read, and as parse_json().
[[nodiscard]] registry::Json read_json(const std::filesystem::path& file);

}  // namespace qloom::pipeline
