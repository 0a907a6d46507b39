// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A program's folder. What is read can be written, read again and executed: its sums then stay in
// 64 bits, which a sanitizer watches.
#include "host/program/execute.hpp"
#include "host/program/files.hpp"
#include "tests/fuzz/folder.hpp"

namespace {

using namespace qloom;

const fuzz::InputFile& file() {
  static const fuzz::InputFile one("program.json");
  return one;
}

/// Additions and steps of one sample.
std::int64_t work_of(const program::Program& made) {
  std::int64_t work = 0;
  for (const program::Op& op : made.ops) {
    const std::int64_t window = op.window.kernel_h * op.window.kernel_w * op.window.in_c;
    work += made.tensor(op.output).size() * window + made.tensor(op.inputs[0]).size();
    if (work > 1000000) break;
  }
  return work;
}

void run(const program::Program& made) {
  if (work_of(made) > 1000000) return;
  const program::Tensor& input = made.tensor(made.input);
  const auto [lo, hi] = input.type.values();
  program::Values values(static_cast<std::size_t>(input.size()), lo);
  values.resize(2 * values.size(), hi);
  const std::vector<program::Values> tensors = execute(made, values, 2);
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    fuzz::require_held(tensors[i], made.tensors[i].type);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  return fuzz::uses_folder(bytes, size, file(), program::kProgramForm, [&](const auto& folder) {
    const program::Program made = program::read(folder);
    run(made);
    if (size % 8 != 0) return;  // writing waits for the disk
    write(made, file().root() / "again");
    if (!(program::read(file().root() / "again") == made)) std::abort();
  });
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t most, unsigned seed) {
  return qloom::fuzz::mutate_zip(data, size, most, seed);
}
