// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Convolutions as C whose registers overflow while padding is added.
#include <gtest/gtest.h>

#include <algorithm>

#include "host/steps/proof.hpp"
#include "tests/exchange/compiled.hpp"
#include "tests/program/small.hpp"
#include "tests/support/random_program.hpp"

namespace qloom::test {
namespace {

using program::Overflow;
using program::Program;

struct Case {
  std::vector<std::int32_t> weights;  ///< which occur
  std::int64_t channels;
  int bits;  ///< of the register
  Overflow overflow;
};

/// 3 x 3 on 5 x 4 in two groups; padding of another code than the zero point.
Program overflowing_conv(const Case& given) {
  const program::Tensor x = tensor_of("x", {5, 4, 2 * given.channels}, kU8, 100);
  program::Op conv;
  conv.kind = program::Kind::kConv;
  conv.window = window_of(x, 4, 3, 3);
  conv.window.pad_top = conv.window.pad_right = conv.window.pad_bottom = 1;
  conv.window.stride_h = 2;
  conv.window.groups = 2;
  conv.pad = 255;
  for (std::int64_t i = 0; i < conv.window.w_size(); ++i) {
    const auto which = static_cast<std::size_t>(i * i * 7 + i / 5) % given.weights.size();
    conv.weights.push_back(given.weights[which]);
  }
  const auto [least, most] = std::minmax_element(given.weights.begin(), given.weights.end());
  conv.weight_type = program::type_of({std::min(*least, -1), *most});
  steps::Interval sums{-1, 0};
  for (const steps::Interval one : sums_of(conv, {-100, 155})) sums = steps::join(sums, one);
  conv.sum = {.bits = given.bits, .overflow = given.overflow, .needed = steps::bits_of(sums)};
  const Extents out{conv.window.out_h(), conv.window.out_w(), 4};
  return program_of(conv, x, tensor_of("y", out, {.is_signed = true, .bits = given.bits}));
}

void expect_overflow_equal(const std::vector<Program>& programs) {
  std::vector<std::string> found(programs.size());
#pragma omp parallel for schedule(dynamic)
  for (std::size_t i = 0; i < programs.size(); ++i) {
    const program::Values input = random_input(programs[i], 5, 3);
    found[i] = difference(programs[i], input, gcc_fast()) +
               difference(programs[i], input, clang_checking());
  }
  for (std::size_t i = 0; i < programs.size(); ++i) {
    EXPECT_EQ(fault_of(programs[i]), "");
    EXPECT_LT(programs[i].ops[0].sum.bits, programs[i].ops[0].sum.needed);
    EXPECT_EQ(found[i], "") << "program " << i;
  }
}

TEST(RegistersC, OverflowAsTheProgramSays) {
  // Bytes of whole fields, fields across bytes, no fields; 1, 2, 4, 8 and 32 bits.
  const std::vector<std::vector<std::int32_t>> weights = {
      {-1, 1}, {-1, 0, 1}, {-8, 3, 7}, {-128, 5, 127}, {-2147483647 - 1, 9, 2147483647}};
  std::vector<Program> programs;
  for (const std::int64_t channels : {3, 8}) {
    for (const auto& some : weights) {
      const int bits = some.back() > 127 ? 40 : some.back() > 7 ? 16 : 9;
      for (const Overflow overflow : {Overflow::kWrap, Overflow::kSaturate}) {
        programs.push_back(overflowing_conv({some, channels, bits, overflow}));
      }
    }
  }
  expect_overflow_equal(programs);
}

TEST(RegistersC, OfTheWidthOfAnIntIsAddedInMore) {
  std::vector<Program> programs;
  for (const int bits : {31, 32, 33}) {
    for (const Overflow overflow : {Overflow::kWrap, Overflow::kSaturate}) {
      programs.push_back(overflowing_conv({{-30000000, 1, 29999999}, 4, bits, overflow}));
    }
  }
  expect_overflow_equal(programs);
}

}  // namespace
}  // namespace qloom::test
