// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// maker KIND METHOD TASK.npz FOLDER: the integer program of one layer of codes of 8 bits whose
// requantizer is METHOD, {"plugin": id, parameters}. KIND and the arrays of TASK:
//
//   conv   shape (height, width, channels of x), window (kernel_h, kernel_w, stride, groups),
//   weights
//          (out_channels, kernel_h, kernel_w, channels / groups), zero_points (x, y)
//   pool   shape, window (kernel_h, kernel_w, stride, 1), zero_points (x, y)
//   add    zero_points (a, b, y); the input is 256 * (a + 128) + (b as an unsigned byte)
//   all    factor and offset (float64), rounding (QLOOM_ROUND_*): as a requantizer gets them;
//   is_signed
//          (of x, of y)
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>

#include "host/data/arrays/array_file.hpp"
#include "host/json/text.hpp"
#include "host/methods/requantizer.hpp"
#include "host/program/files.hpp"
#include "host/program/ranges.hpp"

namespace {

using namespace qloom;
using program::Kind;
using program::Op;

class Task {
 public:
  explicit Task(const std::string& file) : arrays_(data::read_npz(file)) {}

  [[nodiscard]] const std::vector<std::int64_t>& integers(const char* name) const {
    return std::get<std::vector<std::int64_t>>(arrays_.at(name).values);
  }
  [[nodiscard]] const std::vector<double>& reals(const char* name) const {
    return std::get<std::vector<double>>(arrays_.at(name).values);
  }
  [[nodiscard]] program::Type type(std::size_t i) const {
    return {.is_signed = integers("is_signed")[i] != 0, .bits = 8};
  }

 private:
  data::Arrays arrays_;
};

class Maker {
 public:
  Maker(const Task& task, const std::string& method)
      : task_(task), registry_(registry::Registry::default_folders()) {
    const methods::MethodSpec spec =
        methods::resolve(registry_, "requantizer", json::parse(method, "METHOD"), "METHOD");
    requantizer_ = methods::Requantizer(registry_, spec);
  }

  program::Program make(const std::string& kind) {
    if (kind == "add") {
      add_join();
    } else {
      const auto& shape = task_.integers("shape");
      add_tensor("x", shape[0], shape[1], shape[2], task_.type(0),
                 task_.integers("zero_points")[0]);
      kind == "pool" ? add_pool() : add_conv();
      add_map();
    }
    made_.tensors.back().zero_point = task_.integers("zero_points").back();
    made_.outputs = {static_cast<int>(made_.tensors.size()) - 1};
    const std::string fault = fault_of(made_);
    if (!fault.empty()) throw std::runtime_error(fault);
    return std::move(made_);
  }

 private:
  void add_tensor(const std::string& name, std::int64_t h, std::int64_t w, std::int64_t c,
                  program::Type type, std::int64_t zero_point) {
    program::Tensor tensor;
    tensor.name = name;
    tensor.height = h;
    tensor.width = w;
    tensor.channels = c;
    tensor.type = type;
    tensor.zero_point = zero_point;
    made_.tensors.push_back(tensor);
  }
  void add_op(Op op, std::vector<int> inputs) {
    op.name = "op" + std::to_string(made_.ops.size());
    op.inputs = std::move(inputs);
    op.output = static_cast<int>(made_.tensors.size()) - 1;
    made_.ops.push_back(std::move(op));
  }
  [[nodiscard]] program::ContractionShape window(std::int64_t out_channels) const {
    const auto& w = task_.integers("window");
    const program::Tensor& x = made_.tensors[0];
    program::ContractionShape shape;
    shape.in_h = x.height;
    shape.in_w = x.width;
    shape.in_c = x.channels;
    shape.out_c = out_channels;
    shape.kernel_h = w[0];
    shape.kernel_w = w[1];
    shape.stride_h = shape.stride_w = w[2];
    shape.groups = w[3];
    return shape;
  }

  void add_conv() {
    const auto& weights = task_.integers("weights");
    Op op;
    op.kind = Kind::kConv;
    op.weights.assign(weights.begin(), weights.end());
    op.weight_type = {.is_signed = true, .bits = 8};
    op.window = window(static_cast<std::int64_t>(task_.reals("offset").size()));
    op.sum = {.bits = 32, .overflow = program::Overflow::kNever, .needed = 32};
    add_tensor("sum", op.window.out_h(), op.window.out_w(), op.window.out_c,
               {.is_signed = true, .bits = 32}, 0);
    add_op(op, {0});
  }
  void add_pool() {
    Op op;
    op.kind = Kind::kSumPool;
    const std::int64_t channels = made_.tensors[0].channels;
    op.window = window(channels);
    op.window.groups = channels;
    add_tensor("sum", op.window.out_h(), op.window.out_w(), channels,
               {.is_signed = true, .bits = 32}, 0);
    add_op(op, {0});
  }
  void add_map() {
    const program::Tensor sum = made_.tensors.back();
    program::Range range = ranges_of(made_).back();
    range.resize(static_cast<std::size_t>(sum.channels), range[0]);
    Op op;
    op.kind = Kind::kMap;
    op.steps = derive(1, range).behind;
    add_tensor("y", sum.height, sum.width, sum.channels, task_.type(1), 0);
    add_op(op, {1});
  }

  /// 256 codes a times 256 codes b come from one input.
  void add_join() {
    constexpr program::Type kCode{.is_signed = true, .bits = 8};
    const auto& zero_points = task_.integers("zero_points");
    add_tensor("pair", 1, 1, 1, {.is_signed = false, .bits = 16}, 0);
    Op map;
    map.kind = Kind::kMap;
    map.steps = {{.op = steps::Op::kShiftRight, .constants = {8}},
                 {.op = steps::Op::kAdd, .constants = {-128}}};
    add_tensor("a", 1, 1, 1, kCode, zero_points[0]);
    add_op(map, {0});
    map.steps = {{.op = steps::Op::kWrap, .constants = {8}}};
    add_tensor("b", 1, 1, 1, kCode, zero_points[1]);
    add_op(map, {0});
    Op join;
    join.kind = Kind::kJoin;
    const methods::Requantization made = derive(2, {{-128 - zero_points[0], 127 - zero_points[0]},
                                                    {-128 - zero_points[1], 127 - zero_points[1]}});
    join.input_steps = made.before;
    join.steps = made.behind;
    add_tensor("y", 1, 1, 1, kCode, 0);
    add_op(join, {1, 2});
  }

  [[nodiscard]] methods::Requantization derive(std::uint32_t inputs,
                                               const std::vector<steps::Interval>& sums) const {
    methods::RequantizeTask task;
    task.inputs = inputs;
    task.channels = task_.reals("offset").size();
    task.factor = task_.reals("factor");
    task.offset = task_.reals("offset");
    task.sums = sums;
    task.codes = task_.type(1).values();
    task.rounding = static_cast<std::uint32_t>(task_.integers("rounding")[0]);
    task.zero_point = static_cast<std::int32_t>(task_.integers("zero_points").back());
    return requantizer_.derive(task);
  }

  const Task& task_;
  registry::Registry registry_;
  methods::Requantizer requantizer_;
  program::Program made_;
};

}  // namespace

int main(int count, char** words) {
  if (count != 5) return EXIT_FAILURE;
  try {
    const Task task(words[3]);
    write(Maker(task, words[2]).make(words[1]), words[4]);
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}
