// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A program printed as C, compiled, run on samples and compared with the executor, tensor by
// tensor.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "host/exchange/c/c.hpp"
#include "host/program/execute.hpp"

namespace qloom::test {

/// How C is compiled and run.
struct Toolchain {
  std::string compiler;  ///< with its options
  std::string emulator;  ///< empty: the machine itself runs it
  std::string package;   ///< that has it, for messages
};

[[nodiscard]] Toolchain gcc_fast();        ///< -O2
[[nodiscard]] Toolchain clang_checking();  ///< -O0, address and undefined-behaviour sanitizers
[[nodiscard]] Toolchain arm_emulated();    ///< 32 bits, -O2, qemu

/// A folder of its own that goes with the object.
class Folder {
 public:
  Folder();
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] std::filesystem::path operator/(const std::string& name) const {
    return path_ / name;
  }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

struct Told {
  int status = 0;  ///< of the shell
  std::string text;
};
/// Runs a command; both of its streams.
[[nodiscard]] Told tell(const std::string& command);

/// Flags under which no text may cause a warning.
inline constexpr const char* kStrict =
    " -std=c99 -pedantic -Wall -Wextra -Wconversion -Wsign-conversion -Werror ";

/// Samples as the harness reads them.
void write_samples(const program::Program& program, const program::Values& input,
                   const std::filesystem::path& file);

/// "" when the printed program compiles without a warning, with and without the trace, and every
/// tensor and every output of the samples is what program::execute says; else what is wrong. Its
/// arena lies between guards that have to stay as they are.
[[nodiscard]] std::string difference(const program::Program& program, const program::Values& input,
                                     const Toolchain& tools,
                                     const exchange::c::Options& options = {});

}  // namespace qloom::test
