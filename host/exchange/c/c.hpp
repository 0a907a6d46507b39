// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A program as C99: no heap, no floating point, no library, the program's bits.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "host/program/program.hpp"

namespace qloom::exchange::c {

/// How operations are done.
enum class Style {
  kPlain,  ///< one function each, all of it in model.c
  kCalls   ///< by functions of a table, into which others can be put (calls/)
};

struct Options {
  std::string version = "0";  ///< MODEL_VERSION: the digest of program.json, hexadecimal
  bool is_packed = true;      ///< weights of few values share bytes; never with calls
  Style style = Style::kPlain;
};

/// The files of a folder, by their names.
struct Files {
  std::string header;                                          ///< model.h
  std::string source;                                          ///< model.c
  std::string harness;                                         ///< model_main.c
  std::string readme;                                          ///< README.txt
  std::vector<std::pair<std::string, std::string>> kernels{};  ///< of calls: name, text
};

/// The program is one that fault_of() accepts. InputError where it has steps in floating point
/// or needs an arena of 2 GiB.
[[nodiscard]] Files print(const program::Program& program, const Options& options);

/// All or none.
void write(const Files& files, const std::filesystem::path& folder);

}  // namespace qloom::exchange::c
