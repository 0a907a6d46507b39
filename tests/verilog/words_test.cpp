// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/exchange/verilog/words.hpp"

#include <gtest/gtest.h>

#include "tests/program/small.hpp"

namespace qloom::exchange::verilog {
namespace {

TEST(Words, AreWholeDigitsOfTwosComplement) {
  const std::vector<std::int64_t> values = {0, 1, -1, 15, -16};
  EXPECT_EQ(words_of(values, 5, "order"), "// order\n00\n01\nff\n0f\nf0\n");
  EXPECT_EQ(words_of(values, 64, "order").substr(9 + 2 * 17, 17), "ffffffffffffffff\n");
}

TEST(Words, OfWeightsHoldTheFirstInTheLowestBits) {
  program::Program program = test::small_conv();
  program.ops[0].weight_type = {.is_signed = true, .bits = 4};
  const auto words = [&](std::int64_t lanes) {
    const Design design = design_of(program, 1, lanes);
    const std::string text = weight_words(design, design.layers[0]);
    return text.substr(text.find('\n') + 1);
  };
  EXPECT_EQ(words(1), "1\n2\n3\nc\n");
  EXPECT_EQ(words(3), "321\n00c\n") << "an output channel begins a new word";
  program.ops[0].weight_type = {.is_signed = true, .bits = 5};
  EXPECT_EQ(words(1), "01\n02\n03\n1c\n");
  EXPECT_EQ(words(3), "0c41\n001c\n");
}

TEST(Words, OfALiteralKeepTheSign) {
  EXPECT_EQ(literal(-128, 8), "8'sh80");
  EXPECT_EQ(literal(-1, 3), "4'shf");
  EXPECT_EQ(literal(std::numeric_limits<std::int64_t>::min(), 64), "64'sh8000000000000000");
}

}  // namespace
}  // namespace qloom::exchange::verilog
