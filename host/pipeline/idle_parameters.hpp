// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include <string>
#include <vector>

#include "host/registry/registry.hpp"
#include "host/tensor/warning.hpp"

namespace qloom::pipeline {

/// Warnings about parameters that were written and have no effect beside the others, as the
/// manifest's "only_with" says. `written` is the method's object before defaults, `resolved` after.
[[nodiscard]] std::vector<Warning> idle_parameters(const registry::Method& method,
                                                   const json::Json& written,
                                                   const json::Json& resolved,
                                                   const std::string& where);

}  // namespace qloom::pipeline
