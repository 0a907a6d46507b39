// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include <filesystem>
#include <string>

namespace qloom::registry {

/// Why the dynamic loader must not see this file, for instance "truncated: 1000 bytes, its segments
/// end at 16400"; empty when its ELF headers fit its length. The loader trusts these headers: it
/// would crash on a truncated library.
[[nodiscard]] std::string elf_fault(const std::filesystem::path& file);

}  // namespace qloom::registry
