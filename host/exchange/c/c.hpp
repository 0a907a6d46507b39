// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A program as C99: no heap, no floating point, no library, the program's bits.
#pragma once

#include <filesystem>
#include <string>

#include "host/program/program.hpp"

namespace qloom::exchange::c {

struct Options {
  std::string version = "0";  ///< MODEL_VERSION: the digest of program.json, hexadecimal
  bool is_packed = true;      ///< weights of few values share bytes
};

/// The files of a folder, by their names.
struct Files {
  std::string header;   ///< model.h
  std::string source;   ///< model.c
  std::string harness;  ///< model_main.c
  std::string readme;   ///< README.txt
};

/// The program is one that fault_of() accepts. InputError where it has steps in floating point.
[[nodiscard]] Files print(const program::Program& program, const Options& options);

/// All or none.
void write(const Files& files, const std::filesystem::path& folder);

}  // namespace qloom::exchange::c
