// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// An exported folder and the simulators' answers to it.
#pragma once

#include <filesystem>
#include <string>

#include "host/exchange/verilog/folder.hpp"
#include "host/program/execute.hpp"

namespace qloom::test {

/// What a command left.
struct Outcome {
  int status = -1;
  std::string text;  ///< standard output and error
};

class Bench {
 public:
  /// Exports below the build folder; `name`: of the test.
  Bench(const std::string& name, const program::Program& program, const program::Values& input,
        std::int64_t samples, std::int64_t lanes = 1);

  /// make TARGET ARGS="...": builds what is not built. Memory files are read anew each time.
  [[nodiscard]] Outcome make(const std::string& target, const std::string& args = "") const;

  [[nodiscard]] std::string text_of(const std::string& file) const;
  void put(const std::string& file, const std::string& text) const;
  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }

 private:
  std::filesystem::path folder_;
};

/// A planted fault: the file with another text as long as this lives.
class Fault {
 public:
  Fault(const Bench& bench, std::string file, const std::string& text);
  ~Fault();
  Fault(const Fault&) = delete;
  Fault& operator=(const Fault&) = delete;

 private:
  const Bench& bench_;
  std::string file_, text_;
};

/// Plants faults in every_operation(), two samples, and expects each to be counted and told.
void expect_faults_found(const Bench& bench, const std::string& simulator);

/// The text of a memory file with one bit of a word changed, or two words exchanged.
[[nodiscard]] std::string with_flipped_bit(const std::string& text, std::size_t word, int bit);
[[nodiscard]] std::string with_exchanged(const std::string& text, std::size_t a, std::size_t b);

}  // namespace qloom::test
