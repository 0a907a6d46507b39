// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A step program's folder. What is read can be written, read again and trained with: no value of
// two steps leaves its type, and none 64 bits, which a sanitizer watches.
#include "host/step_program/execute.hpp"
#include "host/step_program/files.hpp"
#include "tests/fuzz/folder.hpp"

namespace {

using namespace qloom;

const fuzz::InputFile& file() {
  static const fuzz::InputFile one(step_program::kStepFile);
  return one;
}

constexpr std::int64_t kMostWork = 300000;

/// Additions and steps of one sample.
std::int64_t work_of(const step_program::Program& made) {
  std::int64_t work = 0;
  for (const step_program::Op& op : made.ops) {
    const auto& w = op.window;
    const std::int64_t products =
        op.window.in_c == 0 ? 0
                            : w.out_h() * w.out_w() * w.out_c * w.kernel_h * w.kernel_w * w.in_c;
    work += products + made.tensor(op.output).size() + made.tensor(op.inputs[0]).size();
    if (work > kMostWork) break;
  }
  return work;
}

void train(const step_program::Program& made) {
  if (work_of(made) > kMostWork) return;
  const step_program::Tensor& images = made.tensor(made.images);
  const auto [lo, hi] = images.type.values();
  step_program::Values values(static_cast<std::size_t>(images.size()), lo);
  std::vector<std::int32_t> labels{0};
  if (made.batch > 1) {
    values.resize(2 * values.size(), hi);
    labels.push_back(static_cast<std::int32_t>(made.tensor(made.logits).size() - 1));
  }
  step_program::State state = step_program::initial_state(made);
  for (int step = 0; step < 2; ++step) {
    const auto tensors = execute_step(made, state, values, labels);
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      fuzz::require_held(tensors[i], made.tensors[i].type);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  return fuzz::uses_folder(bytes, size, file(), step_program::kStepForm, [&](const auto& folder) {
    const step_program::Program made = step_program::read(folder);
    train(made);
    if (size % 8 != 0) return;  // writing waits for the disk
    write(made, file().root() / "again");
    if (!(step_program::read(file().root() / "again") == made)) std::abort();
  });
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t most, unsigned seed) {
  return qloom::fuzz::mutate_zip(data, size, most, seed);
}
