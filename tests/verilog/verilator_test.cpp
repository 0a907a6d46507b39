// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Whole networks in Verilator: 8-bit, 4-bit and ternary weights behind one image, one build for all
// of them, and faults that have to be found.
#include <gtest/gtest.h>

#include "tests/verilog/bench.hpp"
#include "tests/verilog/programs.hpp"

namespace qloom::test {
namespace {

using program::Kind;
using program::Type;

/// Two convolutions, a residual block, pools and a dense layer; `name` stands before all names.
std::vector<int> network(ProgramMaker& maker, const std::string& name, int image, Type codes,
                         Type weights) {
  const auto layer = [&](const std::string& layer_name, int input, std::int64_t channels,
                         std::int64_t stride) {
    const int sum =
        maker.conv(name + layer_name, input, maker.window(input, channels, 3, 1, stride), weights);
    const steps::Chain chain =
        codes.bits > 4 ? maker.requantizer(sum, codes) : maker.thresholds(sum, codes.bits);
    return maker.map(name + layer_name + ".codes", sum, chain);
  };
  const int first = layer("conv1", image, 8, 2);
  const int second = layer("conv2", first, 8, 1);
  const int join =
      maker.join(name + "add", {first, second},
                 {{step_of(steps::Op::kMultiply, {3})}, {step_of(steps::Op::kShiftLeft, {1})}},
                 {step_of(steps::Op::kShiftRight, {2}, 1, steps::Rounding::kNearestEven),
                  step_of(steps::Op::kClamp, {0, codes.values().hi}, 2)});
  const int most = maker.pool(name + "max", join, Kind::kMaxPool, maker.pool_window(join, 2, 2));
  const int third = layer("conv3", most, 16, 2);
  const int sums = maker.pool(name + "mean", third, Kind::kSumPool, maker.pool_window(third, 4, 1));
  const int means = maker.map(name + "mean.codes", sums, maker.requantizer(sums, codes));
  const int logits = maker.dense(name + "dense", means, 10, weights);
  return {logits, maker.argmax(name + "label", logits)};
}

/// Three networks on an image of 28 x 28 bytes.
program::Program three_networks(ProgramMaker& maker) {
  const int image =
      maker.map("image.codes", 0, {step_of(steps::Op::kTable, maker.randoms(256, 0, 255), 256)});
  maker.tensor(image).zero_point = 73;
  std::vector<int> outputs;
  const std::vector<std::tuple<std::string, Type, Type>> kinds = {
      {"int8_", kU8, kS8},
      {"int4_", {.is_signed = false, .bits = 4}, {.is_signed = true, .bits = 4}},
      {"ternary_", {.is_signed = false, .bits = 2}, {.is_signed = true, .bits = 2}}};
  for (const auto& [name, codes, weights] : kinds) {
    for (const int output : network(maker, name, image, codes, weights)) outputs.push_back(output);
  }
  return maker.finish(outputs);
}

TEST(Verilator, WholeNetworksAreRecomputed) {
  ProgramMaker maker({28, 28, 1}, kU8, 6);
  const program::Program program = three_networks(maker);
  const Bench bench("networks", program, maker.inputs(1), 1);
  const Outcome outcome = bench.make("verilator");
  EXPECT_EQ(outcome.status, 0) << outcome.text;
  EXPECT_NE(outcome.text.find("\n0 sums and 0 codes differ in 28 of 28 layers\n"),
            std::string::npos)
      << outcome.text;
  EXPECT_EQ(outcome.text.find("arning"), std::string::npos) << outcome.text;
}

TEST(Verilator, FindsPlantedFaults) {
  ProgramMaker maker({6, 5, 2}, kU8, 1);
  const program::Program program = every_operation(maker);
  const Bench bench("faults_verilator", program, maker.inputs(2), 2, 3);
  const Outcome outcome = bench.make("verilator");
  EXPECT_EQ(outcome.status, 0) << outcome.text;
  expect_faults_found(bench, "verilator");
}

}  // namespace
}  // namespace qloom::test
