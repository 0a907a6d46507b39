// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include <string>
#include <vector>

#include "host/registry/aliases.hpp"
#include "host/tensor/warning.hpp"

namespace qloom::pipeline {

/// Warnings about parameters that were written and have no effect beside the others, as the
/// manifest's "only_with" says. `given` is what was written, `resolved` has the defaults too.
[[nodiscard]] std::vector<Warning> idle_parameters(const registry::Method& method,
                                                   const registry::CurrentNames& given,
                                                   const json::Json& resolved,
                                                   const std::string& where);

}  // namespace qloom::pipeline
