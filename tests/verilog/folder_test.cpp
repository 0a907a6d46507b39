// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/exchange/verilog/folder.hpp"

#include <algorithm>

#include <gtest/gtest.h>

#include "host/tensor/error.hpp"
#include "tests/verilog/programs.hpp"

namespace qloom::test {
namespace {

using exchange::verilog::files_of;

std::string refusal(const program::Program& program, const program::Values& input,
                    std::int64_t samples, std::int64_t lanes) {
  try {
    static_cast<void>(files_of(program, input, samples, {.lanes = lanes}));
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

TEST(Folder, IsTheSameForTheSameProgram) {
  ProgramMaker maker({6, 5, 2}, kU8, 1);
  const program::Program program = every_operation(maker);
  const program::Values input = maker.inputs(1);
  EXPECT_EQ(files_of(program, input, 1, {}), files_of(program, input, 1, {}));
}

TEST(Folder, HoldsEveryTensorsWords) {
  ProgramMaker maker({6, 5, 2}, kU8, 1);
  program::Program program = every_operation(maker);
  program::Op last;  // which nobody reads
  last.name = "last";
  last.kind = program::Kind::kReshape;
  last.inputs = {program.outputs[0]};
  last.output = static_cast<int>(program.tensors.size());
  program.tensors.push_back(program.tensor(program.outputs[0]));
  program.tensors.back().name = "last.out";
  program.ops.push_back(last);
  const auto files = files_of(program, maker.inputs(1), 1, {});
  for (const program::Tensor& tensor : program.tensors) {
    EXPECT_TRUE(std::any_of(files.begin(), files.end(), [&](const auto& file) {
      return file.second.starts_with("// " + tensor.name + ": " + tensor.type.text());
    })) << tensor.name;
  }
}

TEST(Folder, RefusesWhatItCannotCount) {
  ProgramMaker maker({100, 100, 1}, kU8, 1);
  const int conv = maker.conv("conv", 0, maker.window(0, 60, 3, 1), kS8);
  const program::Program program = maker.finish({conv});
  const program::Values input = maker.inputs(1);
  EXPECT_EQ(refusal(program, input, 1, 0), "lanes: 0, expected 1 to 256");
  EXPECT_EQ(refusal(program, input, 1, 257), "lanes: 257, expected 1 to 256");
  EXPECT_EQ(refusal(program, {}, 0, 1), "samples: 0, expected 1 or more");
  EXPECT_EQ(refusal(program, {}, 398, 1),
            "\"conv\": 398 samples of 5400000 cycles or elements, expected at most 2147483647 in "
            "all; take fewer samples or more lanes");
  EXPECT_EQ(refusal(program, input, 1, 1), "");
  ProgramMaker wide({4096, 4096, 4}, kU8, 1);
  const int same = wide.reshape("same", 0, {4096, 4, 4096});
  EXPECT_EQ(
      refusal(wide.finish({same}), {}, 2, 1),
      "samples: 2, each of 134217728 words beside 0 weights, expected at most 134217728 words "
      "in all");
}

}  // namespace
}  // namespace qloom::test
