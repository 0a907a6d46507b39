// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace qloom::results {

struct LinkedLibrary {
  std::filesystem::path file;
  std::string build_id;  ///< hexadecimal; empty when its linker gave it none
};

/// The shared libraries that the program itself was linked with, in the order in which they were
/// loaded; no plugin and nothing that a plugin brought.
[[nodiscard]] const std::vector<LinkedLibrary>& linked_libraries();

}  // namespace qloom::results
