// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The files of an export that are the same for every program: those of the folder parts/, which the
// build puts into the library.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace qloom::exchange::verilog {

/// Name, text.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> parts();

}  // namespace qloom::exchange::verilog
