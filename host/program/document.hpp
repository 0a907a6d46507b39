// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// program.json: what its writer and its reader share.
#pragma once

#include <string>

#include "host/json/json.hpp"

namespace qloom::program {

inline constexpr const char* kProgramFile = "program.json";

/// Digest of all but the key "digest", whatever the spaces of the file: of its shortest text with
/// sorted keys.
[[nodiscard]] std::string digest_of(json::Json document);

}  // namespace qloom::program
