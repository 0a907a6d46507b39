// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Types, names, and how large sums can become.
#include "host/program/program.hpp"

#include <limits>

#include <gtest/gtest.h>

#include "host/program/ranges.hpp"
#include "tests/program/small.hpp"

namespace qloom::test {
namespace {

using program::Interval;
using program::Type;

TEST(ProgramTypes, HoldTheirValues) {
  EXPECT_EQ((Type{false, 1}.values()), (Interval{0, 1}));
  EXPECT_EQ((Type{true, 1}.values()), (Interval{-1, 0}));
  EXPECT_EQ((Type{true, 2}.values()), (Interval{-2, 1}));
  EXPECT_EQ((Type{false, 32}.values()), (Interval{0, 4294967295}));
  EXPECT_EQ((Type{true, 64}.values()), (Interval{std::numeric_limits<std::int64_t>::min(),
                                                 std::numeric_limits<std::int64_t>::max()}));
  EXPECT_EQ((Type{false, 63}.values()), (Interval{0, std::numeric_limits<std::int64_t>::max()}));
  EXPECT_EQ((Type{false, 64}.values()), (Type{false, 63}.values()));
  EXPECT_EQ((Type{true, 19}.text()), "s19");
  EXPECT_EQ((Type{false, 8}.text()), "u8");
}

TEST(ProgramTypes, AreTheNarrowestThatHoldAnInterval) {
  EXPECT_EQ(program::type_of({0, 0}), (Type{false, 1}));
  EXPECT_EQ(program::type_of({0, 1}), (Type{false, 1}));
  EXPECT_EQ(program::type_of({3, 256}), (Type{false, 9}));
  EXPECT_EQ(program::type_of({-1, 0}), (Type{true, 1}));
  EXPECT_EQ(program::type_of({-1, 1}), (Type{true, 2}));
  EXPECT_EQ(program::type_of({-129, 0}), (Type{true, 9}));
  for (int bits = 1; bits <= 64; ++bits) {
    for (const bool is_signed : {false, true}) {
      const Type type{is_signed, bits};
      const Type expected{is_signed, !is_signed && bits == 64 ? 63 : bits};
      EXPECT_EQ(program::type_of(type.values()), expected) << type.text();
    }
  }
}

TEST(ProgramNames, AreFoundAgain) {
  for (int i = 0; i <= static_cast<int>(program::Kind::kReshape); ++i) {
    program::Kind kind{};
    EXPECT_TRUE(find(name_of(static_cast<program::Kind>(i)), kind));
    EXPECT_EQ(static_cast<int>(kind), i);
  }
  for (int i = 0; i <= static_cast<int>(program::Overflow::kSaturate); ++i) {
    program::Overflow overflow{};
    EXPECT_TRUE(find(name_of(static_cast<program::Overflow>(i)), overflow));
    EXPECT_EQ(static_cast<int>(overflow), i);
  }
  program::Kind kind{};
  EXPECT_FALSE(find(std::string("convolution"), kind));
  EXPECT_EQ(find_tensor(small_conv(), "y"), 1);
  EXPECT_EQ(find_tensor(small_conv(), "z"), -1);
}

TEST(SumsOf, ComesFromTheSignsOfTheWeights) {
  program::Op op;
  op.window.in_c = 3;
  op.window.out_c = 2;
  op.weights = {1, -2, 3, -4, 0, -5};
  EXPECT_EQ(sums_of(op, {0, 255}), (std::vector<Interval>{{-510, 1020}, {-2295, 0}}));
  EXPECT_EQ(sums_of(op, {-10, 7}), (std::vector<Interval>{{-54, 48}, {-63, 90}}));
}

TEST(SumsOf, EndsAtTheEndsOf64Bits) {
  program::Op op;
  op.window.in_c = 2;
  op.weights = {2147483647, 2147483647};
  using Limits = std::numeric_limits<std::int64_t>;
  EXPECT_EQ(sums_of(op, {Limits::min(), Limits::max()}),
            (std::vector<Interval>{{Limits::min(), Limits::max()}}));
}

/// Inputs that reach the ends: the register of the width that was needed holds them, one bit less
/// does not.
TEST(SumsOf, AreReached) {
  program::Program made = small_conv();  // weights 1, 2, 3, -4; factors -1 .. 254
  made.ops[0].sum = {.bits = 12, .overflow = program::Overflow::kNever, .needed = 12};
  EXPECT_EQ(program::ranges_of(made)[1], (program::Range{{-1022, 1528}}));
  EXPECT_EQ(fault_of(made), "");
  const program::Values most{255, 255, 0, 255, 0, 0, 0, 0, 0};
  EXPECT_EQ(execute(made, most, 1)[1][0], 1528);
  const program::Values least{0, 0, 0, 0, 255, 0, 0, 0, 0};
  EXPECT_EQ(execute(made, least, 1)[1][0], -1022);
  made.ops[0].sum.bits = 11;
  EXPECT_EQ(fault_of(made),
            "/ops/0/accumulator/bits: 11, expected at least 12 where no sum may overflow");
  made.ops[0].sum.overflow = program::Overflow::kSaturate;
  EXPECT_EQ(fault_of(made), "");
  EXPECT_EQ(execute(made, most, 1)[1][0], 1023);
  EXPECT_EQ(program::ranges_of(made)[1], (program::Range{{-1024, 1023}}));
}

}  // namespace
}  // namespace qloom::test
