// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "tests/verilog/programs.hpp"

#include <algorithm>

#include <gtest/gtest.h>

#include "host/program/ranges.hpp"

namespace qloom::test {
namespace {

using program::Interval;
using program::Kind;
using program::Op;
using program::Program;
using program::Range;

program::Register register_for(const std::vector<Interval>& sums, program::Register sum) {
  Interval all{-1, 0};
  for (const Interval one : sums) all = steps::join(all, one);
  sum.needed = steps::bits_of(all);
  if (sum.overflow == program::Overflow::kNever) sum.bits = std::max(sum.bits, sum.needed);
  return sum;
}

}  // namespace

ProgramMaker::ProgramMaker(Extents extents, program::Type type, std::uint64_t seed)
    : random_(seed) {
  program_.tensors.push_back(tensor_of("image", extents, type));
}

std::int64_t ProgramMaker::random(std::int64_t lo, std::int64_t hi) {
  const auto low = static_cast<std::uint64_t>(lo);
  const std::uint64_t count = static_cast<std::uint64_t>(hi) - low + 1;  // 0: all there are
  return static_cast<std::int64_t>(low + (count == 0 ? random_() : random_() % count));
}

std::vector<std::int64_t> ProgramMaker::randoms(std::int64_t count, std::int64_t lo,
                                                std::int64_t hi) {
  std::vector<std::int64_t> values;
  for (std::int64_t i = 0; i < count; ++i) values.push_back(random(lo, hi));
  return values;
}

Extents ProgramMaker::extents_of(int number) const {
  const program::Tensor& tensor = program_.tensor(number);
  return {tensor.height, tensor.width, tensor.channels};
}

Interval ProgramMaker::values_of(int number) const {
  return program::whole(program::ranges_of(program_)[static_cast<std::size_t>(number)]);
}

int ProgramMaker::add(Op op, Extents extents) {
  const int number = static_cast<int>(program_.tensors.size());
  op.output = number;
  const program::Tensor& first = program_.tensor(op.inputs[0]);
  const bool keeps =
      op.kind == Kind::kMaxPool || op.kind == Kind::kConcat || op.kind == Kind::kReshape;
  const program::Type widest{.is_signed = true, .bits = 64};
  program::Tensor out = tensor_of(op.name + ".out", extents, keeps ? first.type : widest,
                                  keeps ? first.zero_point : 0);
  program_.tensors.push_back(out);
  program_.ops.push_back(std::move(op));
  if (!keeps) tensor(number).type = program::type_of(values_of(number));
  return number;
}

int ProgramMaker::conv(const std::string& name, int input, program::ContractionShape window,
                       program::Type weights, program::Register sum) {
  Op op;
  op.name = name;
  op.kind = Kind::kConv;
  op.inputs = {input};
  op.window = window;
  op.weight_type = weights;
  const Interval values = weights.values();
  for (std::int64_t i = 0; i < window.w_size(); ++i) {
    op.weights.push_back(static_cast<std::int32_t>(random(values.lo, values.hi)));
  }
  const program::Tensor& in = program_.tensor(input);
  op.pad = in.zero_point;
  const Interval codes = values_of(input);
  op.sum = register_for(
      program::sums_of(op, steps::join({codes.lo - in.zero_point, codes.hi - in.zero_point}, {})),
      sum);
  return add(op, {window.out_h(), window.out_w(), window.out_c});
}

int ProgramMaker::dense(const std::string& name, int input, std::int64_t channels,
                        program::Type weights, program::Register sum) {
  program::ContractionShape window;
  window.in_c = program_.tensor(input).size();
  window.out_c = channels;
  const int number = conv(name, input, window, weights, sum);
  program_.ops.back().kind = Kind::kDense;
  program_.ops.back().pad = 0;
  return number;
}

int ProgramMaker::map(const std::string& name, int input, steps::Chain chain) {
  Op op;
  op.name = name;
  op.kind = Kind::kMap;
  op.inputs = {input};
  op.steps = std::move(chain);
  return add(op, extents_of(input));
}

int ProgramMaker::join(const std::string& name, std::vector<int> inputs,
                       std::vector<steps::Chain> input_steps, steps::Chain chain) {
  Op op;
  op.name = name;
  op.kind = Kind::kJoin;
  op.inputs = std::move(inputs);
  op.input_steps = std::move(input_steps);
  op.steps = std::move(chain);
  return add(op, extents_of(op.inputs[0]));
}

int ProgramMaker::concat(const std::string& name, std::vector<int> inputs) {
  Op op;
  op.name = name;
  op.kind = Kind::kConcat;
  op.inputs = std::move(inputs);
  Extents extents = extents_of(op.inputs[0]);
  extents.channels = 0;
  for (const int input : op.inputs) extents.channels += program_.tensor(input).channels;
  return add(op, extents);
}

int ProgramMaker::pool(const std::string& name, int input, Kind kind,
                       program::ContractionShape window) {
  Op op;
  op.name = name;
  op.kind = kind;
  op.inputs = {input};
  op.window = window;
  return add(op, {window.out_h(), window.out_w(), window.out_c});
}

int ProgramMaker::argmax(const std::string& name, int input) {
  Op op;
  op.name = name;
  op.kind = Kind::kArgmax;
  op.inputs = {input};
  return add(op, {});
}

int ProgramMaker::reshape(const std::string& name, int input, Extents extents) {
  Op op;
  op.name = name;
  op.kind = Kind::kReshape;
  op.inputs = {input};
  return add(op, extents);
}

program::ContractionShape ProgramMaker::window(int input, std::int64_t channels,
                                               std::int64_t kernel, std::int64_t pad,
                                               std::int64_t stride) const {
  program::ContractionShape window = window_of(program_.tensor(input), channels, kernel, kernel);
  window.pad_top = window.pad_bottom = window.pad_left = window.pad_right = pad;
  window.stride_h = window.stride_w = stride;
  return window;
}

program::ContractionShape ProgramMaker::pool_window(int input, std::int64_t kernel,
                                                    std::int64_t stride) const {
  const std::int64_t channels = program_.tensor(input).channels;
  program::ContractionShape made = window(input, channels, kernel, 0, stride);
  made.groups = channels;
  return made;
}

steps::Chain ProgramMaker::requantizer(int input, program::Type to, steps::Rounding rounding) {
  const std::int64_t channels = program_.tensor(input).channels;
  const int bits = steps::bits_of(values_of(input));
  const Interval codes = to.values();
  const std::int64_t shift = bits + 10 - to.bits;
  return {step_of(steps::Op::kMultiply, randoms(channels, 500, 1500)),
          step_of(steps::Op::kAdd, randoms(channels, -1000, 1000)),
          step_of(steps::Op::kShiftRight, randoms(channels, shift - 1, shift), 1, rounding),
          step_of(steps::Op::kClamp, {codes.lo, codes.hi}, 2)};
}

steps::Chain ProgramMaker::thresholds(int input, int bits) {
  const std::int64_t count = (std::int64_t{1} << bits) - 1;
  const Interval values = values_of(input);
  std::vector<std::int64_t> all;
  for (std::int64_t channel = 0; channel < program_.tensor(input).channels; ++channel) {
    std::vector<std::int64_t> one = randoms(count, values.lo, values.hi);
    std::sort(one.begin(), one.end());
    all.insert(all.end(), one.begin(), one.end());
  }
  return {step_of(steps::Op::kCount, all, static_cast<std::uint64_t>(count))};
}

Program ProgramMaker::finish(std::vector<int> outputs) {
  program_.outputs = std::move(outputs);
  EXPECT_EQ(program::fault_of(program_), "");
  return program_;
}

program::Values ProgramMaker::inputs(std::int64_t samples) {
  const program::Tensor& image = program_.tensor(program_.input);
  const Interval values = image.type.values();
  return randoms(samples * image.size(), values.lo, values.hi);
}

program::Program every_operation(ProgramMaker& maker) {
  const int codes =
      maker.map("codes", 0, {step_of(steps::Op::kTable, maker.randoms(256, 0, 255), 256)});
  maker.tensor(codes).zero_point = 7;
  program::ContractionShape grouped = maker.window(codes, 4, 3, 1, 2);
  grouped.groups = 2;
  const int conv = maker.conv("inside", codes, grouped, kS8);
  const int conv_codes = maker.map("inside.codes", conv, maker.requantizer(conv, kS8));
  program::ContractionShape dilated = maker.window(codes, 4, 2, 0, 2);
  dilated.dilation_h = dilated.pad_top = 2;
  dilated.pad_left = 1;
  const int other = maker.conv("bit", codes, dilated, {.is_signed = true, .bits = 2});
  const int counted = maker.map("bit_codes", other, maker.thresholds(other, 4));
  const int scaled =
      maker.map("bit.codes", other, maker.requantizer(other, {.is_signed = false, .bits = 4}));
  const int join = maker.join(
      "final", {conv_codes, counted, scaled},
      {{step_of(steps::Op::kMultiply, {3, -5, 7, 9})}, {}, {step_of(steps::Op::kShiftLeft, {2})}},
      {step_of(steps::Op::kClamp, {-1000, 1000}, 2)});
  const int concat = maker.concat("class", {join, join});
  const int most = maker.pool("new", concat, Kind::kMaxPool, maker.pool_window(concat, 2, 1));
  const int sums = maker.pool("do", concat, Kind::kSumPool, maker.pool_window(concat, 3, 1));
  const int flat = maker.reshape("with", most, {1, 1, 2 * 2 * 8});
  const int logits = maker.dense("priority", flat, 5, kS8);
  return maker.finish({sums, maker.argmax("unique", logits)});
}

}  // namespace qloom::test
