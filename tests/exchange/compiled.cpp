// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "tests/exchange/compiled.hpp"

#include <array>
#include <cstdio>
#include <fstream>
#include <sstream>

#include <fmt/format.h>

#include "host/data/temporary.hpp"
#include "host/exchange/c/arena.hpp"
#include "host/exchange/c/interface.hpp"
#include "host/exchange/c/trace.hpp"
#include "host/program/execute.hpp"

namespace qloom::test {
namespace {

using program::Program;
using program::Values;

/// model_run for the harness: the arena lies between guards, and begins full of other bytes.
constexpr const char* kGuarded = R"(#include <stdio.h>
#include <stdlib.h>

#include {header}

enum {{ kGuard = 64 }};
static union {{
  uint64_t aligned;
  uint8_t bytes[MODEL_ARENA_SIZE + 2 * kGuard];
}} memory;

{result} guarded_run({parameters}) {{
  for (uint32_t i = 0; i < sizeof memory.bytes; ++i) memory.bytes[i] = 0xA5;
  {keep}model_run_in(memory.bytes + kGuard, {arguments});
  for (uint32_t i = 0; i < kGuard; ++i) {{
    if (memory.bytes[i] == 0xA5 && memory.bytes[sizeof memory.bytes - 1 - i] == 0xA5) continue;
    fprintf(stderr, "a guard of the arena was written over\n");
    exit(3);
  }}
{give}}}
)";

std::string guarded_run(const Program& program) {
  const bool returns = exchange::c::returned_output(program) >= 0;
  return fmt::format(kGuarded, fmt::arg("header", "\"model.h\""),
                     fmt::arg("result", exchange::c::result_of(program)),
                     fmt::arg("parameters", exchange::c::parameters_of(program)),
                     fmt::arg("arguments", exchange::c::arguments_of(program)),
                     fmt::arg("keep", returns ? "const int32_t result = " : ""),
                     fmt::arg("give", returns ? "  return result;\n" : ""));
}

std::string text_of_file(const std::filesystem::path& file) {
  std::ifstream text(file);
  return {std::istreambuf_iterator<char>(text), std::istreambuf_iterator<char>()};
}

/// The programs "plain" and "traced" in the folder; what the compiler said.
std::string compile(const Folder& folder, const Toolchain& tools, exchange::c::Style style) {
  const std::string cc = "cd '" + folder.path().string() + "' && " + tools.compiler + kStrict;
  const std::string kernels = style == exchange::c::Style::kCalls ? " model_kernels.c" : "";
  const std::string link = tools.emulator.empty() ? "" : " -static";
  for (const std::string& command : std::vector<std::string>{
           "model.c" + kernels + " model_main.c -o plain" + link,
           "-DMODEL_TRACE -c model.c -o model.o",
           "-DMODEL_TRACE -Dmodel_run=guarded_run model_main.c guarded.c model.o" + kernels +
               " -o traced" + link}) {
    const Told told = tell(cc + command);
    if (told.status != 0 || !told.text.empty()) {
      return fmt::format("{}: {}\n(of package {})", command, told.text, tools.package);
    }
  }
  return {};
}

/// What the harness prints for the executor's tensors.
std::string printed(const Program& program, const std::vector<Values>& tensors,
                    std::int64_t samples) {
  std::string text;
  for (std::int64_t sample = 0; sample < samples; ++sample) {
    for (const int output : program.outputs) {
      const std::int64_t size = program.tensor(output).size();
      for (std::int64_t i = 0; i < size; ++i) {
        const auto at = static_cast<std::size_t>(sample * size + i);
        text += std::to_string(tensors[static_cast<std::size_t>(output)][at]) + " ";
      }
    }
    text += "\n";
  }
  return text;
}

std::string differing_tensors(const Program& program, const std::vector<Values>& expected,
                              const std::vector<Values>& found) {
  for (std::size_t t = 0; t < expected.size(); ++t) {
    if (expected[t].size() != found[t].size()) {
      return fmt::format("{}: {} numbers, expected {}", program.tensors[t].name, found[t].size(),
                         expected[t].size());
    }
    for (std::size_t i = 0; i < expected[t].size(); ++i) {
      if (expected[t][i] == found[t][i]) continue;
      return fmt::format("{}, element {}: {}, expected {}", program.tensors[t].name, i, found[t][i],
                         expected[t][i]);
    }
  }
  return {};
}

}  // namespace

Toolchain gcc_fast() { return {QLOOM_GCC " -O2", "", "gcc"}; }
Toolchain clang_checking() {
  return {QLOOM_CLANG_C " -O0 -fsanitize=undefined,address -fno-sanitize-recover=all", "", "clang"};
}
Toolchain arm_emulated() {
  return {QLOOM_ARM_GCC " -O2", QLOOM_QEMU_ARM " ", "gcc-arm-linux-gnueabihf, qemu-user"};
}

Folder::Folder()
    : path_(data::temporary_name(std::filesystem::path(QLOOM_BINARY_DIR) / "exported")) {
  std::filesystem::create_directories(path_);
}

Told tell(const std::string& command) {
  FILE* pipe = popen(("( " + command + " ) 2>&1").c_str(), "r");
  if (pipe == nullptr) return {-1, "no pipe"};
  Told told;
  std::array<char, 4096> part{};
  while (std::fgets(part.data(), part.size(), pipe) != nullptr) told.text += part.data();
  told.status = pclose(pipe);
  return told;
}

void write_samples(const Program& program, const Values& input, const std::filesystem::path& file) {
  const int bytes = exchange::c::stored(program.tensor(program.input)).bits / 8;
  std::string all;
  for (const std::int64_t value : input) {
    for (int i = 0; i < bytes; ++i) all += static_cast<char>(value >> (8 * i) & 255);
  }
  std::ofstream(file, std::ios::binary) << all;
}

std::string difference(const Program& program, const Values& input, const Toolchain& tools,
                       const exchange::c::Options& options) {
  const Folder folder;
  exchange::c::write(exchange::c::print(program, options), folder.path());
  std::ofstream(folder / "guarded.c") << guarded_run(program);
  write_samples(program, input, folder / "samples");
  const std::string fault = compile(folder, tools, options.style);
  if (!fault.empty()) return fault;
  const std::string run = "cd '" + folder.path().string() + "' && " + tools.emulator + "./";
  const Told told = tell(run + "plain < samples > outputs && " + tools.emulator +
                         "./traced trace < samples > traced_outputs");
  if (told.status != 0) return fmt::format("status {}: {}", told.status, told.text);
  const auto samples =
      static_cast<std::int64_t>(input.size()) / program.tensor(program.input).size();
  const std::vector<Values> expected = program::execute(program, input, samples);
  const std::string lines = printed(program, expected, samples);
  if (text_of_file(folder / "outputs") != lines) return "outputs differ";
  if (text_of_file(folder / "traced_outputs") != lines) return "outputs differ, guarded arena";
  return differing_tensors(program, expected, exchange::c::read_trace(folder / "trace", program));
}

}  // namespace qloom::test
