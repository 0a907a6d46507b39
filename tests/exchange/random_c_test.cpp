// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Random programs as C: every tensor is the executor's.
#include <set>

#include <fmt/format.h>

#include "host/exchange/c/fusion.hpp"
#include "host/exchange/c/weights.hpp"
#include "tests/exchange/random_c.hpp"

namespace qloom::test {
namespace {

using Words = std::set<std::string>;

void add_words(const steps::Chain& chain, Words& words) {
  for (const steps::Step& step : chain) {
    const bool rounds = step.op == steps::Op::kShiftRight;
    words.insert(rounds ? steps::name_of(step.rounding) : steps::name_of(step.op));
  }
}

void add_words(const program::Program& program, Words& words) {
  for (std::size_t i = 0; i < program.ops.size(); ++i) {
    const program::Op& op = program.ops[i];
    if (exchange::c::is_fused(program, static_cast<int>(i))) words.insert("fused");
    words.insert(program::name_of(op.kind));
    add_words(op.steps, words);
    for (const steps::Chain& chain : op.input_steps) add_words(chain, words);
    if (op.weights.empty()) continue;
    if (op.sum.bits < op.sum.needed) words.insert(fmt::format("{}s", name_of(op.sum.overflow)));
    if (op.window.pads()) {
      const bool is_zero = op.pad == program.tensor(op.inputs[0]).zero_point;
      words.insert(is_zero ? "pads_zero" : "pads_another");
    }
    words.insert(fmt::format("packed_{}", exchange::c::packing_of(op.weights).bits));
    if (op.window.groups > 1) words.insert("groups");
    if (op.window.dilation_h > 1) words.insert("dilation");
  }
}

constexpr const char* kEverything =
    "add argmax clamp concat conv count dense dilation fused groups join map max_pool multiply "
    "nearest_away nearest_even nearest_up packed_1 packed_16 packed_2 packed_32 packed_4 "
    "packed_8 pads_another pads_zero reshape saturate saturates shift_left sum_pool table "
    "toward_negative toward_positive toward_zero wrap wraps";

TEST(RandomC, ProgramsHoldEveryOperationAndStep) {
  for (const std::uint64_t first : {0, 20}) {  // as below
    Words words;
    for (std::uint64_t seed = first; seed < first + 40; ++seed) {
      add_words(random_program_of(seed), words);
    }
    EXPECT_EQ(fmt::format("{}", fmt::join(words, " ")), kEverything);
  }
}

TEST(RandomC, EqualsTheExecutorWithGcc) { expect_equal_c({0, 40}, gcc_fast()); }
TEST(RandomC, EqualsTheExecutorUnderSanitizers) { expect_equal_c({20, 40}, clang_checking()); }
TEST(RandomC, ConstantsThatNothingReadsAreLeftOut) {
  expect_equal_c({1414, 1}, gcc_fast());
  expect_equal_c({1747, 1}, gcc_fast());
}
TEST(RandomC, UnpackedWeightsGiveTheSame) {
  expect_equal_c({0, 12}, gcc_fast(), {.is_packed = false});
}
TEST(RandomC, CallsGiveTheSame) {
  const exchange::c::Options calls{.style = exchange::c::Style::kCalls};
  expect_equal_c({0, 12}, gcc_fast(), calls);
  expect_equal_c({20, 8}, clang_checking(), calls);
}
TEST(RandomC, EqualsTheExecutorOn32Bits) { expect_equal_c({100, 12}, arm_emulated()); }

}  // namespace
}  // namespace qloom::test
