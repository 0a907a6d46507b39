// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "tests/verilog/bench.hpp"

#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <regex>
#include <sstream>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace qloom::test {
namespace {

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + '\n';
  return text;
}

/// One fault and what the simulator says of it: a line of the text, "*" for any number.
void expect_fault(const Bench& bench, const std::string& simulator, const std::string& file,
                  const std::string& text, const std::vector<std::string>& lines) {
  ASSERT_NE(text, bench.text_of(file)) << "no fault";
  const Fault fault(bench, file, text);
  const Outcome outcome = bench.make(simulator);
  EXPECT_NE(outcome.status, 0) << file;
  for (const std::string& line : lines) {
    EXPECT_TRUE(std::regex_search(outcome.text, std::regex("\n" + line + "[^\n]*\n")))
        << file << " lacks " << line << "\n"
        << outcome.text;
  }
}

}  // namespace

void expect_faults_found(const Bench& bench, const std::string& simulator) {
  const auto flipped = [&](const std::string& file, std::size_t word, int bit) {
    return with_flipped_bit(bench.text_of(file), word, bit);
  };
  const std::string inside = "layers/inside/", last = "layers/unique/output.hex";
  // A golden word: exactly that one. Word 41 is sample 1, row 0, column 1, channel 1 of 3 x 3 x 4.
  expect_fault(
      bench, simulator, inside + "sums.hex", flipped(inside + "sums.hex", 41, 0),
      {"inside: first differing sum: sample 1, row 0, column 1, channel 1: ",
       "inside: 1 of 72 sums, 0 of 72 codes differ", "1 sums and 0 codes differ in 10 of 10"});
  expect_fault(bench, simulator, inside + "output.hex", flipped(inside + "output.hex", 71, 7),
               {"inside: first differing code: sample 1, row 2, column 2, channel 3: ",
                "0 sums and 1 codes differ in 10 of 10"});
  expect_fault(bench, simulator, last, flipped(last, 1, 1), {"unique: 1 of 2 codes differ"});
  // A weight's sign, constants of two channels, an input.
  expect_fault(bench, simulator, inside + "weights.hex", flipped(inside + "weights.hex", 0, 7),
               {"inside: first differing sum: sample ., row ., column ., channel 0: ",
                "inside: [1-9]\\d* of 72 sums"});
  const std::string constants = inside + "step1_multiply.hex";
  expect_fault(bench, simulator, constants, with_exchanged(bench.text_of(constants), 0, 3),
               {"inside: 0 of 72 sums, [1-9]\\d* of 72 codes differ"});
  expect_fault(bench, simulator, "layers/do/input.hex", flipped("layers/do/input.hex", 0, 6),
               {"do: 1 of 16 codes differ"});
  expect_fault(bench, simulator, "layers/final/input1.hex",
               flipped("layers/final/input1.hex", 3, 3), {"final: 1 of 72 codes differ"});
  // A file that ends too early.
  const std::string whole = bench.text_of(inside + "sums.hex");
  expect_fault(bench, simulator, inside + "sums.hex", whole.substr(0, whole.size() / 2),
               {"inside: [1-9]\\d* of 72 sums"});
}

Bench::Bench(const std::string& name, const program::Program& program, const program::Values& input,
             std::int64_t samples, std::int64_t lanes)
    : folder_(std::filesystem::path(QLOOM_BINARY_DIR) / "verilog" / name) {
  std::filesystem::remove_all(folder_);
  exchange::verilog::write_folder(
      folder_, exchange::verilog::files_of(program, input, samples, {.lanes = lanes}));
}

Outcome Bench::make(const std::string& target, const std::string& args) const {
  const std::string command = "make -C " + folder_.string() + " " + target +
                              " OPTIMIZATION=-O0 OBJCACHE=ccache ARGS=\"" + args + "\" 2>&1";
  Outcome outcome;
  std::FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) return outcome;
  std::array<char, 4096> part{};
  while (std::fgets(part.data(), part.size(), pipe) != nullptr) outcome.text += part.data();
  const int status = ::pclose(pipe);
  outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return outcome;
}

std::string Bench::text_of(const std::string& file) const {
  std::ifstream stream(folder_ / file);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

void Bench::put(const std::string& file, const std::string& text) const {
  std::ofstream(folder_ / file) << text;
}

Fault::Fault(const Bench& bench, std::string file, const std::string& text)
    : bench_(bench), file_(std::move(file)), text_(bench.text_of(file_)) {
  bench_.put(file_, text);
}

Fault::~Fault() { bench_.put(file_, text_); }

std::string with_flipped_bit(const std::string& text, std::size_t word, int bit) {
  std::vector<std::string> lines = lines_of(text);
  std::string& line = lines.at(word + 1);  // behind the comment
  char& digit = line.at(line.size() - 1 - static_cast<std::size_t>(bit) / 4);
  const int value = std::stoi(std::string(1, digit), nullptr, 16) ^ (1 << bit % 4);
  digit = "0123456789abcdef"[value];
  return joined(lines);
}

std::string with_exchanged(const std::string& text, std::size_t a, std::size_t b) {
  std::vector<std::string> lines = lines_of(text);
  std::swap(lines.at(a + 1), lines.at(b + 1));
  return joined(lines);
}

}  // namespace qloom::test
