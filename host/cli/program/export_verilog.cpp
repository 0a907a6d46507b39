// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/cli/outputs.hpp"
#include "host/cli/program/export_program.hpp"
#include "host/cli/program/folder.hpp"
#include "host/cli/program/sides.hpp"
#include "host/data/claim.hpp"
#include "host/data/streams.hpp"
#include "host/exchange/verilog/folder.hpp"
#include "host/program/files.hpp"
#include "host/tensor/random.hpp"

namespace qloom::cli {
namespace {

/// One sample of the input's type, always the same.
program::Values random_sample(const program::Program& program) {
  const program::Tensor& tensor = program.tensor(program.input);
  const auto [lo, hi] = tensor.type.values();
  const std::uint64_t count = static_cast<std::uint64_t>(hi) - static_cast<std::uint64_t>(lo) + 1;
  const std::uint64_t stream = stream_id("export/sample");
  program::Values sample;
  for (std::int64_t i = 0; i < tensor.size(); ++i) {
    const auto index = static_cast<std::uint64_t>(2 * i);
    const std::uint64_t word = std::uint64_t{random_word(0, stream, 0, index)} << 32 |
                               random_word(0, stream, 0, index + 1);
    const std::uint64_t offset = count == 0 ? word : word % count;  // 0: of 64 bits, all words
    sample.push_back(static_cast<std::int64_t>(static_cast<std::uint64_t>(lo) + offset));
  }
  return sample;
}

}  // namespace

void export_verilog(const VerilogExport& options) {
  require_program(options.program, Takes::kPrograms);
  const program::Program program = program::read(options.program);
  std::int64_t samples = 1;
  const program::Values input =
      options.input.empty() ? random_sample(program) : read_input(options.input, program, samples);
  const auto files = exchange::verilog::files_of(program, input, samples, {.lanes = options.lanes});
  require_own_folder(options.output);
  data::require_writable_folder(options.output);
  const data::Claim claim(options.output);
  exchange::verilog::write_folder(options.output, files);
  data::print("{}\n{}\n", (options.output / "Makefile").string(),
              (options.output / "budget.csv").string());
}

}  // namespace qloom::cli
