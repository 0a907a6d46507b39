// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// C that is printed from programs made by hand: what it holds, and where it has to fail.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "host/exchange/c/arena.hpp"
#include "host/exchange/c/trace.hpp"
#include "host/exchange/c/types.hpp"
#include "host/exchange/c/weights.hpp"
#include "host/tensor/error.hpp"
#include "tests/exchange/compiled.hpp"
#include "tests/program/small.hpp"
#include "tests/support/random_program.hpp"

namespace qloom::test {
namespace {

using exchange::c::packing_of;
using program::Kind;
using program::Program;
using program::Values;

constexpr std::int64_t kMost32 = 2147483647, kMost64 = 9223372036854775807;

/// x -> y by one map with this chain.
Program map_program(program::Type in, steps::Chain chain, std::int64_t channels) {
  program::Op map;
  map.kind = Kind::kMap;
  map.steps = std::move(chain);
  const program::Type wide{.is_signed = true, .bits = 64};
  return program_of(map, tensor_of("x", {1, 1, channels}, in),
                    tensor_of("y", {1, 1, channels}, wide));
}

TEST(C, EveryRoundingAtEveryShiftAndEdge) {
  // 64 channels, each with its own shift; both widths of arithmetic.
  for (const int bits : {32, 62}) {
    std::vector<Program> programs;
    std::vector<std::int64_t> shifts;
    for (std::int64_t c = 0; c < std::min(bits, 63); ++c) shifts.push_back(c);
    const auto channels = static_cast<std::int64_t>(shifts.size());
    Values input;
    const std::int64_t most = (std::int64_t{1} << (bits - 1)) - 1;
    for (const std::int64_t around : {-most - 1, -most, most - 1, most}) {
      input.insert(input.end(), shifts.size(), around);
    }
    for (const std::int64_t near : {-3, -2, -1, 0, 1, 2, 3}) {  // in halves of 2^shift
      for (const std::int64_t shift : shifts) {
        const std::int64_t half = shift == 0 ? 1 : std::int64_t{1} << (shift - 1);
        input.push_back(std::clamp(near * std::min(half, most / 4), -most - 1, most));
      }
    }
    for (int rounding = 0; rounding < 6; ++rounding) {
      const Program program = map_program(
          {.is_signed = true, .bits = bits},
          {step_of(steps::Op::kShiftRight, shifts, 1, static_cast<steps::Rounding>(rounding))},
          channels);
      EXPECT_EQ(difference(program, input, clang_checking()), "") << bits << " " << rounding;
    }
  }
}

TEST(C, TheSmallestNumbersOfAWidthAreLiterals) {
  const Program program = map_program(
      {.is_signed = true, .bits = 64},
      {step_of(steps::Op::kClamp, {-kMost64 - 1, kMost32}, 2),
       step_of(steps::Op::kClamp, {-kMost32 - 1, kMost32}, 2),
       step_of(steps::Op::kCount, {-kMost64 - 1, -kMost32 - 1, 0, kMost32, kMost64}, 5)},
      1);
  const Values input{-kMost64 - 1, -kMost32 - 2, -kMost32 - 1, -1, 0,
                     kMost32,      kMost32 + 1,  kMost64};
  EXPECT_EQ(difference(program, input, clang_checking()), "");
  EXPECT_EQ(difference(program, input, gcc_fast()), "");
}

TEST(C, WeightsTakeAsFewBitsAsTheirValuesAllow) {
  EXPECT_EQ(packing_of({-1, 1, 1}).bits, 1);
  EXPECT_EQ(packing_of({5, 5}).bits, 1);
  EXPECT_EQ(packing_of({-1, 0, 1}).bits, 2);
  EXPECT_EQ(packing_of({-3, -1, 1, 3}).bits, 2);  // odd codes
  EXPECT_EQ(packing_of({-8, 7}).bits, 1);
  EXPECT_EQ(packing_of({-8, -7, 7}).bits, 4);
  EXPECT_EQ(packing_of({-8, -7, 8}).bits, 8);
  EXPECT_EQ(packing_of({-128, -127, 127}).bits, 8);
  EXPECT_EQ(packing_of({-128, -127, 128}).bits, 16);
  EXPECT_EQ(packing_of({-2147483647 - 1, 2147483647}).bits, 32);  // a step beyond int32_t
  // Rows begin at a byte, fields at its low end.
  using Bytes = std::vector<std::int64_t>;
  EXPECT_EQ(exchange::c::packed({-1, 0, 1, 1, 0, -1, 0, 1, -1, -1}, 5, packing_of({-1, 0, 1})),
            Bytes({0b10100100, 0b01, 0b00100100 | 0b00 << 6, 0b00}));
}

TEST(C, PackedWeightsNeedFewerBytes) {
  Program program = small_conv();
  program.ops[0].weights = {-1, 0, 1, 1};
  const auto weights = [&](bool is_packed) {
    const std::string text = exchange::c::print(program, {.is_packed = is_packed}).source;
    return text.substr(text.find("w0["), 5);
  };
  EXPECT_EQ(weights(true), "w0[1]");
  EXPECT_EQ(weights(false), "w0[4]");
}

/// Maps in a row, by tensors' types.
Program chain_of_maps(const std::vector<program::Type>& types) {
  Program program;
  for (std::size_t i = 0; i < types.size(); ++i) {
    program.tensors.push_back(tensor_of("t" + std::to_string(i), {1, 1, 100}, types[i]));
    if (i == 0) continue;
    program::Op map;
    map.name = "m" + std::to_string(i);
    map.inputs = {static_cast<int>(i) - 1};
    map.output = static_cast<int>(i);
    map.steps = {step_of(steps::Op::kClamp, {0, 1}, 2)};
    program.ops.push_back(map);
  }
  program.outputs = {static_cast<int>(types.size()) - 1};
  return program;
}

TEST(C, ArenaHoldsWhatLivesAtOneTime) {
  // s32 -> u8 -> u8 lie over each other; the last is the caller's.
  const program::Type wide{.is_signed = true, .bits = 32};
  const exchange::c::Memory over = exchange::c::plan(chain_of_maps({wide, wide, kU8, kU8, kU8}));
  EXPECT_EQ(over.bytes, 400);
  EXPECT_EQ(over.lower_bound, 400);
  // An int16_t may not be written over an int32_t: a compiler may change their order.
  EXPECT_EQ(exchange::c::plan(chain_of_maps({kU8, wide, kS16, kU8})).bytes, 600);
  // Input and output are the caller's alone.
  EXPECT_EQ(exchange::c::plan(chain_of_maps({kU8, kU8})).bytes, 8);
}

TEST(C, SumsThatOneMapReadsTakeNoMemory) {
  Program program = small_conv();  // x -> sums -> z
  program.tensors.push_back(tensor_of("z", {2, 2, 1}, kU8));
  program::Op map;
  map.name = "map";
  map.inputs = {1};
  map.output = 2;
  map.steps = {step_of(steps::Op::kClamp, {0, 255}, 2)};
  program.ops.push_back(map);
  program.outputs = {2};
  using Where = exchange::c::Place::Where;
  EXPECT_EQ(exchange::c::plan(program).of(1).where, Where::kNone);
  EXPECT_EQ(difference(program, random_input(program, 1, 3), gcc_fast()), "");
  program.outputs = {1, 2};  // the caller wants the sums too
  EXPECT_EQ(exchange::c::plan(program).of(1).where, Where::kOutput);
  EXPECT_EQ(difference(program, random_input(program, 1, 3), gcc_fast()), "");
}

TEST(C, ArenaIsSeldomLargerThanItsBound) {
  std::int64_t bytes = 0, bound = 0;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    const exchange::c::Memory memory = exchange::c::plan(random_program(seed, {.ops = 20}));
    EXPECT_GE(memory.bytes, memory.lower_bound);
    bytes += memory.bytes;
    bound += memory.lower_bound;
  }
  EXPECT_LE(bytes * 10, bound * 11);
}

TEST(C, RefusesAnArenaThatA32BitMachineCannotAddress) {
  const program::Type wide{.is_signed = true, .bits = 32};
  Program program = chain_of_maps({wide, wide, kS16, kU8});
  program.tensors[1].channels = program.tensors[2].channels = std::int64_t{1} << 29;
  try {
    static_cast<void>(exchange::c::print(program, {}));
    FAIL() << "it was printed";
  } catch (const InputError& error) {
    EXPECT_STREQ(error.what(), "arena: 3221225472 bytes, expected at most 2147483647");
  }
}

TEST(C, IsForIntegerProgramsAlone) {
  std::uint64_t seed = 0;
  while (float_operations(random_program(seed, {.has_floats = true})).empty()) ++seed;
  EXPECT_THROW(
      static_cast<void>(exchange::c::print(random_program(seed, {.has_floats = true}), {})),
      InputError);
}

TEST(C, ObjectNeedsNoFunctionAndHoldsNoFloatingPoint) {
  const Folder folder;
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    exchange::c::write(exchange::c::print(random_program(seed, {.ops = 20}), {}), folder.path());
    const std::string at = "cd '" + folder.path().string() + "' && ";
    const std::string general = " -mgeneral-regs-only -c model.c -o model.o && nm -u model.o";
    const Told told = tell(at + gcc_fast().compiler + kStrict + general);
    EXPECT_EQ(told.status, 0) << told.text;
    std::istringstream lines(told.text);
    for (std::string line; std::getline(lines, line);) {
      const bool moves_memory = line.find(" mem") != std::string::npos;
      EXPECT_TRUE(moves_memory || line.find("_GLOBAL_OFFSET_TABLE_") != std::string::npos) << line;
    }
    std::ifstream source(folder / "model.c");
    const std::string text{std::istreambuf_iterator<char>(source), {}};
    for (const char* word : {"float", "double", "malloc", "#include <"}) {
      EXPECT_EQ(text.find(word), std::string::npos) << word;
    }
  }
}

TEST(C, AnIntOf16BitsIsEnough) {
  const Folder folder;
  for (std::uint64_t seed = 0; seed < 12; ++seed) {
    exchange::c::write(exchange::c::print(random_program(seed, {.ops = 20}), {}), folder.path());
    const Told told = tell("cd '" + folder.path().string() + "' && " QLOOM_CLANG_C +
                           " --target=msp430 -ffreestanding -fsyntax-only" + kStrict + "model.c");
    EXPECT_EQ(told.status, 0) << told.text;
  }
}

TEST(C, AnotherNumberInTheTextIsSeen) {
  // The test of the tests: one weight, one constant, one zero point.
  const Folder folder;
  Program program = small_conv();
  const Values input = random_input(program, 1, 3);
  ASSERT_EQ(difference(program, input, gcc_fast()), "");
  Program other = program;
  other.ops[0].weights[2] += 1;
  EXPECT_NE(exchange::c::print(program, {}).source, exchange::c::print(other, {}).source);
  exchange::c::write(exchange::c::print(other, {}), folder.path());
  write_samples(program, input, folder / "samples");
  const Told told =
      tell("cd '" + folder.path().string() + "' && " + gcc_fast().compiler +
           " -DMODEL_TRACE model.c model_main.c -o traced && ./traced trace < samples");
  ASSERT_EQ(told.status, 0) << told.text;
  const std::vector<Values> found = exchange::c::read_trace(folder / "trace", program);
  EXPECT_EQ(found[0], input);
  EXPECT_NE(found[1], program::execute(program, input, 3)[1]);
}

class CTrace : public testing::Test {
 protected:
  void SetUp() override {
    exchange::c::write(exchange::c::print(program_, {}), folder_.path());
    build_ = tell(at_ + gcc_fast().compiler + " -DMODEL_TRACE model.c model_main.c -o traced");
    ASSERT_EQ(build_.status, 0) << build_.text;
  }
  /// Bytes as standard input.
  Told run(const std::string& bytes, const std::string& arguments = "trace") {
    std::ofstream(folder_ / "samples", std::ios::binary) << bytes;
    return tell(at_ + "./traced " + arguments + " < samples");
  }
  std::string refusal(const std::string& bytes) {
    std::ofstream(folder_ / "changed", std::ios::binary) << bytes;
    try {
      static_cast<void>(exchange::c::read_trace(folder_ / "changed", program_));
    } catch (const InputError& error) {
      return error.what();
    }
    return "accepted";
  }
  std::string trace() {
    std::ifstream file(folder_ / "trace", std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  Folder folder_;
  const std::string at_ = "cd '" + folder_.path().string() + "' && ";
  Program program_ = [] {
    Program program = small_conv();
    program.tensors[0].type.bits = 4;
    return program;
  }();
  Told build_;
};

TEST_F(CTrace, HarnessSaysWhatIsNoSample) {
  EXPECT_EQ(run(std::string(9, '\1')).status, 0);
  EXPECT_NE(run(std::string(13, '\1')).text.find("sample 1 ends after 4 of 9 numbers"),
            std::string::npos);
  EXPECT_NE(run(std::string(13, '\1')).status, 0);
  EXPECT_NE(run(std::string(8, '\1') + '\20').text.find("sample 0, number 8: 16, expected 0 to 15"),
            std::string::npos);
  EXPECT_NE(run("", "").text.find("expected one argument"), std::string::npos);
  EXPECT_NE(run("", "no_such_folder/trace").status, 0);
}

TEST_F(CTrace, AnotherFileIsRefused) {
  ASSERT_EQ(run(std::string(18, '\2')).status, 0);
  const std::string whole = trace();
  EXPECT_EQ(refusal(whole), "accepted");
  EXPECT_EQ(refusal(whole.substr(0, 8)), "accepted");  // no sample
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{7}, std::size_t{10}, whole.size() - 1}) {
    EXPECT_NE(refusal(whole.substr(0, size)).find("the file ends here"), std::string::npos) << size;
  }
  EXPECT_NE(refusal("other" + whole).find("no trace"), std::string::npos);
  std::string renamed = whole;
  renamed[12] = 'z';
  EXPECT_NE(refusal(renamed).find("tensor \"z\", expected \"x\""), std::string::npos);
  std::string wider = whole;
  wider[14] = 16;
  EXPECT_NE(refusal(wider).find("numbers of 16 bits, expected 9 of uint8_t"), std::string::npos);
}

}  // namespace
}  // namespace qloom::test
