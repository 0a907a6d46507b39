// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include <nlohmann/json.hpp>

namespace qloom::json {

/// A JSON value. Text becomes one through parse() alone (text.hpp).
using Json = nlohmann::json;

}  // namespace qloom::json
