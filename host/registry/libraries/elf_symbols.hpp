// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What a shared library offers and needs, read from its file: no code of it runs.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace qloom::registry {

struct ElfSymbol {
  std::string name;
  std::string version;  ///< of an imported symbol: "GLIBC_2.2.5"; empty when it has none
  bool is_weak = false;
  bool is_unique = false;  ///< STB_GNU_UNIQUE: the loader never unmaps a library that defines one
};

struct ElfSymbols {
  std::vector<ElfSymbol> exported, imported;
  std::vector<std::string> needed;  ///< names of the libraries it is linked with
  bool stays_loaded = false;        ///< linked with -z nodelete
};

/// errors: InputError "<file>: <reason>" for a file that is not a complete shared library
[[nodiscard]] ElfSymbols elf_symbols(const std::filesystem::path& file);

}  // namespace qloom::registry
