// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include <filesystem>

#include "host/json/json.hpp"

namespace qloom::data {

/// The file as JSON; InputError when it cannot be read, and as json::parse().
[[nodiscard]] json::Json read_json(const std::filesystem::path& file);

}  // namespace qloom::data
