// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Integer programs of random weights: a convolution with its requantizer, and resnet8, 8 bits
// everywhere, requantized by multipliers of 31 bits. peers/onnx_cases.py has the same networks in
// ONNX.
#include <memory>
#include <random>

#include "host/program/fast/executor.hpp"
#include "host/tensor/error.hpp"
#include "tests/benchmarks/worker/cases.hpp"

namespace qloom::bench {
namespace {

using program::Kind;
using program::Op;
using program::Type;

constexpr Type kU8{.is_signed = false, .bits = 8};

class ProgramMaker {
 public:
  explicit ProgramMaker(std::int64_t size, std::int64_t channels, std::int64_t zero_point) {
    made_.input = add_tensor(size, channels, kU8, zero_point);
  }

  /// A convolution and the map to codes; kernel 3 or 1, half the kernel's width of padding.
  int conv(int x, std::int64_t filters, std::int64_t kernel, std::int64_t stride,
           std::int64_t zero_point) {
    const program::Tensor in = made_.tensor(x);
    Op op;
    op.kind = Kind::kConv;
    set_window(op, in, filters, kernel, stride);
    for (std::int64_t* pad :
         {&op.window.pad_top, &op.window.pad_bottom, &op.window.pad_left, &op.window.pad_right}) {
      *pad = kernel / 2;
    }
    op.pad = in.zero_point;
    return add_products(op, x, zero_point);
  }
  int dense(int x, std::int64_t filters) {
    Op op;
    op.kind = Kind::kDense;
    op.window.in_c = made_.tensor(x).size();
    op.window.out_c = filters;
    return add_products(op, x, 128);
  }
  /// Of two tensors of codes: two multipliers to one scale, their sum, a shift.
  int add(int a, int b) {
    Op op;
    op.kind = Kind::kJoin;
    op.input_steps = {{step(steps::Op::kMultiply, {1'400'000})},
                      {step(steps::Op::kMultiply, {900'000})}};
    op.steps = {shift({21}), step(steps::Op::kClamp, {0, 255}, 2)};
    const program::Tensor in = made_.tensor(a);
    return add_op(op, {a, b}, add_tensor(in.height, in.channels, kU8, 0));
  }
  int average_pool(int x) {
    const program::Tensor in = made_.tensor(x);
    Op op;
    op.kind = Kind::kSumPool;
    set_window(op, in, in.channels, in.height, 1);
    op.window.groups = in.channels;
    const int sum = add_op(op, {x}, add_tensor(1, in.channels, {true, 32}, 0));
    return add_map(sum, {shift({6}), step(steps::Op::kClamp, {0, 255}, 2)}, 0);
  }
  program::Program take(int output) {
    made_.outputs = {output};
    const std::string fault = fault_of(made_);
    if (!fault.empty()) throw RunError("the benchmark's program: " + fault);
    return std::move(made_);
  }

 private:
  static steps::Step step(steps::Op op, std::vector<std::int64_t> constants,
                          std::uint64_t per_channel = 1) {
    return {.op = op, .constants = std::move(constants), .per_channel = per_channel};
  }
  static steps::Step shift(std::vector<std::int64_t> bits) {
    return {.op = steps::Op::kShiftRight,
            .rounding = steps::Rounding::kNearestUp,
            .constants = std::move(bits)};
  }
  static void set_window(Op& op, const program::Tensor& in, std::int64_t filters,
                         std::int64_t kernel, std::int64_t stride) {
    op.window.in_h = in.height;
    op.window.in_w = in.width;
    op.window.in_c = in.channels;
    op.window.out_c = filters;
    op.window.kernel_h = op.window.kernel_w = kernel;
    op.window.stride_h = op.window.stride_w = stride;
  }

  int add_tensor(std::int64_t size, std::int64_t channels, Type type, std::int64_t zero_point) {
    program::Tensor tensor;
    tensor.name = "t" + std::to_string(made_.tensors.size());
    tensor.height = tensor.width = size;
    tensor.channels = channels;
    tensor.type = type;
    tensor.zero_point = zero_point;
    made_.tensors.push_back(tensor);
    return static_cast<int>(made_.tensors.size()) - 1;
  }
  int add_op(Op op, std::vector<int> inputs, int output) {
    op.name = "op" + std::to_string(made_.ops.size());
    op.inputs = std::move(inputs);
    op.output = output;
    made_.ops.push_back(std::move(op));
    return output;
  }
  int add_products(Op op, int x, std::int64_t zero_point) {
    std::uniform_int_distribution<int> weight(-127, 127);
    for (std::int64_t i = 0; i < op.window.w_size(); ++i) op.weights.push_back(weight(engine_));
    op.weight_type = {true, 8};
    op.sum = {.bits = 32, .overflow = program::Overflow::kNever, .needed = 32};
    const std::int64_t filters = op.window.out_c;
    const int sum = add_op(op, {x}, add_tensor(op.window.out_h(), filters, {true, 32}, 0));
    std::vector<std::int64_t> bias, factor;
    std::uniform_int_distribution<std::int64_t> of(1 << 30, (std::int64_t{1} << 31) - 1);
    for (std::int64_t c = 0; c < filters; ++c) {
      bias.push_back(weight(engine_));
      factor.push_back(of(engine_));
    }
    return add_map(sum,
                   {step(steps::Op::kAdd, bias), step(steps::Op::kMultiply, factor), shift({41}),
                    step(steps::Op::kAdd, {zero_point}), step(steps::Op::kClamp, {0, 255}, 2)},
                   zero_point);
  }
  int add_map(int sum, steps::Chain chain, std::int64_t zero_point) {
    Op op;
    op.kind = Kind::kMap;
    op.steps = std::move(chain);
    const program::Tensor in = made_.tensor(sum);
    return add_op(op, {sum}, add_tensor(in.height, in.channels, kU8, zero_point));
  }

  program::Program made_;
  std::mt19937_64 engine_{1};
};

/// Three stages of one block, as examples/models/resnet8.json.
program::Program resnet8() {
  ProgramMaker maker(32, 3, 128);
  int x = maker.conv(0, 16, 3, 1, 0);
  for (const std::int64_t filters : {16, 32, 64}) {
    const std::int64_t stride = filters == 16 ? 1 : 2;
    const int first = maker.conv(x, filters, 3, stride, 0);
    const int second = maker.conv(first, filters, 3, 1, 128);
    const int shortcut = stride == 1 ? x : maker.conv(x, filters, 1, 2, 128);
    x = maker.add(second, shortcut);
  }
  return maker.take(maker.dense(maker.average_pool(x), 10));
}

program::Program convolution(const Json& params) {
  ProgramMaker maker(params.at("size"), params.at("in"), 128);
  const int y = maker.conv(0, params.at("out"), 3, params.value("stride", 1), 128);
  return maker.take(y);
}

/// Runs it on random samples, bytes in and bytes out.
Case execution(program::Program made, std::int64_t samples) {
  struct Held {
    explicit Held(program::Program of) : program(std::move(of)), executor(program) {}
    program::Program program;
    program::Executor executor;
    std::vector<std::uint8_t> input;
  };
  const auto held = std::make_shared<Held>(std::move(made));
  std::mt19937_64 engine{2};
  const auto size = [&](int tensor) {
    return static_cast<std::size_t>(samples * held->program.tensor(tensor).size());
  };
  for (std::size_t i = 0; i < size(held->program.input); ++i) {
    held->input.push_back(static_cast<std::uint8_t>(engine() % 256));
  }
  const std::size_t results = size(held->program.outputs[0]);
  double products = 0;
  for (const Op& op : held->program.ops) {
    if (op.weights.empty()) continue;
    products += static_cast<double>(samples * op.window.y_size() * op.window.fan_in());
  }
  return {[held, samples, results] {
            std::vector<std::uint8_t> output(results);  // the peer's results are new too
            void* const to = output.data();
            held->executor.run(held->input.data(), samples, std::span(&to, 1));
          },
          products};
}

}  // namespace

void add_programs(Cases& cases) {
  cases["program_convolution"] = [](const Json& params) {
    return execution(convolution(params), params.at("batch"));
  };
  cases["program_resnet8"] = [](const Json& params) {
    return execution(resnet8(), params.at("batch"));
  };
}

}  // namespace qloom::bench
