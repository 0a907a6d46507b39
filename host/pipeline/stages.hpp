// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include <string>

#include "host/pipeline/pipeline.hpp"

namespace qloom::pipeline {

/// One entry of "stages". `text` has passed the schema and has its defaults; `written` is the same
/// entry before defaults were filled in. Keys that have no meaning with the chosen optimizer or
/// schedule are an InputError where they were written, and taken out of `text` otherwise.
/// `where` is the file and pointer of the entry.
[[nodiscard]] Stage resolve_stage(Json& text, const Json& written, const std::string& where);

}  // namespace qloom::pipeline
