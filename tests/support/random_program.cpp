// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "tests/support/random_program.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "host/program/ranges.hpp"
#include "host/steps/proof.hpp"
#include "tests/support/random_chain.hpp"

namespace qloom::test {
namespace {

using program::Interval;
using program::Kind;
using program::Op;
using program::Program;
using program::Range;
using program::Tensor;
using program::Type;

class ProgramMaker {
 public:
  ProgramMaker(std::uint64_t seed, const ProgramSize& size) : dice_(seed), size_(size) {
    program_.origin.name = "random program " + std::to_string(seed);
  }

  Program make() {
    Tensor input = new_tensor("input", 1, 1, 1);
    input.height = dice_.in(1, size_.extent);
    input.width = dice_.in(1, size_.extent);
    input.channels = dice_.in(1, size_.channels);
    input.type = random_type(dice_.once_in(4) ? size_.bits : std::min(size_.bits, 9));
    describe(input);
    program_.tensors.push_back(input);
    const int count = dice_.small(1, size_.ops);
    while (static_cast<int>(program_.ops.size()) < count) add_op();
    if (dice_.once_in(2)) add_argmax();
    choose_outputs();
    return std::move(program_);
  }

 private:
  static Tensor new_tensor(const std::string& name, std::int64_t height, std::int64_t width,
                           std::int64_t channels) {
    Tensor tensor;
    tensor.name = name;
    tensor.height = height;
    tensor.width = width;
    tensor.channels = channels;
    return tensor;
  }

  Type random_type(int most_bits) {
    return {.is_signed = dice_.once_in(2), .bits = dice_.small(1, most_bits)};
  }

  /// Zero point and scale: what codes mean.
  void describe(Tensor& tensor) {
    const auto [lo, hi] = tensor.type.values();
    tensor.zero_point = dice_.once_in(2) ? 0 : dice_.edge(lo, hi);
    const std::int64_t scales = dice_.once_in(3) ? 0 : dice_.once_in(2) ? 1 : tensor.channels;
    for (std::int64_t i = 0; i < scales; ++i) {
      tensor.scale.push_back(static_cast<double>(dice_.in(1, 1000)) / 4096);
    }
  }

  /// The last tensors are read more often, so that programs become deep.
  int random_tensor() {
    const int last = static_cast<int>(program_.tensors.size()) - 1;
    return dice_.once_in(3) ? dice_.small(0, last) : dice_.small(std::max(0, last - 1), last);
  }
  Range range_of(int tensor) { return ranges_of(program_)[static_cast<std::size_t>(tensor)]; }

  /// Appends the operation and its output, typed as narrow as its values allow or wider.
  void append(Op op, Tensor out, bool has_own_type) {
    const std::string number = std::to_string(program_.ops.size() + 1);
    op.name = std::string(name_of(op.kind)) + "." + number;
    out.name = "t" + number;
    op.output = static_cast<int>(program_.tensors.size());
    if (has_own_type) out.type = Type{.is_signed = true, .bits = 64};
    program_.tensors.push_back(out);
    program_.ops.push_back(std::move(op));
    if (!has_own_type) return;
    Tensor& added = program_.tensors.back();
    added.type = program::type_of(program::whole(range_of(program_.ops.back().output)));
    if (dice_.once_in(4)) {
      if (!added.type.is_signed && added.type.bits < size_.bits && dice_.once_in(2)) {
        added.type = {.is_signed = true, .bits = added.type.bits + 1};
      }
      added.type.bits = dice_.small(added.type.bits, std::max(added.type.bits, size_.bits));
    }
    const Kind kind = program_.ops.back().kind;
    if (kind == Kind::kMap || kind == Kind::kJoin) describe(added);
  }

  void add_op() {
    switch (static_cast<Kind>(dice_.in(0, 8))) {
      case Kind::kConv:
        return add_conv();
      case Kind::kDense:
        return add_dense();
      case Kind::kMap:
        return add_map();
      case Kind::kJoin:
        return add_join();
      case Kind::kConcat:
        return add_concat();
      case Kind::kSumPool:
        return add_pool(Kind::kSumPool);
      case Kind::kMaxPool:
        return add_pool(Kind::kMaxPool);
      case Kind::kArgmax:
        return dice_.once_in(6) ? add_argmax() : add_map();
      case Kind::kReshape:
        return add_reshape();
    }
  }

  /// Weights for which the widest sum fits in the widest register.
  void add_weights(Op& op) {
    const Tensor& in = program_.tensor(op.inputs[0]);
    const auto [lo, hi] = in.type.values();
    const Interval factors = {std::min<std::int64_t>(lo - in.zero_point, 0),
                              std::max<std::int64_t>(hi - in.zero_point, 0)};
    for (int most = dice_.once_in(3) ? size_.bits : 8;; most = std::max(1, most / 2)) {
      op.weight_type = most == 1 ? Type{.is_signed = false, .bits = 1} : random_type(most);
      if (op.weight_type == Type{.is_signed = false, .bits = 32}) op.weight_type.bits = 31;
      const auto [least, largest] = op.weight_type.values();
      op.weights.clear();
      for (std::int64_t i = 0; i < op.window.w_size(); ++i) {
        op.weights.push_back(static_cast<std::int32_t>(dice_.edge(least, largest)));
      }
      Interval all{-1, 0};
      for (const Interval sum : sums_of(op, factors)) all = steps::join(all, sum);
      op.sum.needed = steps::bits_of(all);
      if (op.sum.needed <= size_.bits) break;
      if (most > 1) continue;
      std::fill(op.weights.begin(), op.weights.end(), 0);
      op.sum.needed = 1;
      break;
    }
    op.sum.overflow = static_cast<program::Overflow>(dice_.in(0, 2));
    const bool may_overflow = op.sum.overflow != program::Overflow::kNever;
    op.sum.bits = std::max(2, dice_.small(may_overflow ? 2 : op.sum.needed, size_.bits));
  }

  void add_conv() {
    Op op;
    op.kind = Kind::kConv;
    op.inputs = {random_tensor()};
    const Tensor& in = program_.tensor(op.inputs[0]);
    random_window(op, 3, true);
    program::ContractionShape& w = op.window;
    std::vector<std::int64_t> divisors;
    for (std::int64_t i = 1; i <= w.in_c; ++i) {
      if (w.in_c % i == 0 && i <= size_.channels) divisors.push_back(i);
    }
    w.groups = dice_.one_of(divisors);
    w.out_c = w.groups * dice_.in(1, std::max<std::int64_t>(1, size_.channels / w.groups));
    const auto [lo, hi] = in.type.values();
    op.pad = w.pads() ? dice_.edge(lo, hi) : 0;
    if (w.pads() && in.zero_point >= lo && in.zero_point <= hi && dice_.once_in(2)) {
      op.pad = in.zero_point;
    }
    add_products(std::move(op));
  }

  void add_dense() {
    Op op;
    op.kind = Kind::kDense;
    op.inputs = {random_tensor()};
    op.window.in_c = program_.tensor(op.inputs[0]).size();
    op.window.out_c = dice_.in(1, size_.channels);
    add_products(std::move(op));
  }

  void add_products(Op op) {
    add_weights(op);
    const program::ContractionShape& w = op.window;
    append(op, new_tensor("", w.out_h(), w.out_w(), w.out_c), true);
  }

  /// A window that fits, anywhere in the padded input.
  void random_window(Op& op, std::int64_t most_kernel, bool may_dilate) {
    const Tensor& in = program_.tensor(op.inputs[0]);
    program::ContractionShape& w = op.window;
    w.in_h = in.height;
    w.in_w = in.width;
    w.in_c = w.out_c = w.groups = in.channels;
    const bool may_pad = op.kind != Kind::kSumPool && dice_.once_in(2);
    for (std::int64_t* pad : {&w.pad_top, &w.pad_bottom, &w.pad_left, &w.pad_right}) {
      *pad = may_pad ? dice_.in(0, 2) : 0;
    }
    w.kernel_h = dice_.in(1, std::min(most_kernel, in.height + w.pad_top + w.pad_bottom));
    w.kernel_w = dice_.in(1, std::min(most_kernel, in.width + w.pad_left + w.pad_right));
    w.stride_h = dice_.in(1, 3);
    w.stride_w = dice_.in(1, 3);
    if (may_dilate && dice_.once_in(3)) w.dilation_h = w.dilation_w = 2;
    if (w.extent_h() > in.height + w.pad_top + w.pad_bottom) w.dilation_h = 1;
    if (w.extent_w() > in.width + w.pad_left + w.pad_right) w.dilation_w = 1;
  }

  void add_pool(Kind kind) {
    Op op;
    op.kind = kind;
    op.inputs = {random_tensor()};
    const Tensor& in = program_.tensor(op.inputs[0]);
    random_window(op, 4, false);
    program::ContractionShape& w = op.window;
    w.pad_top = std::min(w.pad_top, w.kernel_h - 1);  // no window of padding alone
    w.pad_bottom = std::min(w.pad_bottom, w.kernel_h - 1);
    w.pad_left = std::min(w.pad_left, w.kernel_w - 1);
    w.pad_right = std::min(w.pad_right, w.kernel_w - 1);
    w.kernel_h = std::min(w.kernel_h, w.in_h);
    w.kernel_w = std::min(w.kernel_w, w.in_w);
    if (w.pad_top >= w.kernel_h || w.pad_bottom >= w.kernel_h) w.pad_top = w.pad_bottom = 0;
    if (w.pad_left >= w.kernel_w || w.pad_right >= w.kernel_w) w.pad_left = w.pad_right = 0;
    if (kind == Kind::kSumPool && in.type.bits + 6 > size_.bits) return;
    Tensor out = in;
    out.height = w.out_h();
    out.width = w.out_w();
    if (kind == Kind::kSumPool) {
      out.zero_point = 0;
      out.scale.clear();
    }
    append(op, out, kind == Kind::kSumPool);
  }

  void add_map() {
    Op op;
    op.kind = Kind::kMap;
    op.inputs = {random_tensor()};
    const Tensor& in = program_.tensor(op.inputs[0]);
    op.steps =
        random_chain(dice_, in.channels, range_of(op.inputs[0]), 5, size_.bits, size_.has_floats);
    append(op, new_tensor("", in.height, in.width, in.channels), true);
  }

  /// Other tensors of the same kind for which `fits`, or the same once more.
  template <class Fits>
  std::vector<int> with_others(int first, const Fits& fits) {
    std::vector<int> candidates;
    for (int i = 0; i < static_cast<int>(program_.tensors.size()); ++i) {
      if (fits(program_.tensor(first), program_.tensor(i))) candidates.push_back(i);
    }
    std::vector<int> chosen{first};
    const int count = dice_.small(1, 3);
    while (static_cast<int>(chosen.size()) < count) chosen.push_back(dice_.one_of(candidates));
    return chosen;
  }

  void add_join() {
    Op op;
    op.kind = Kind::kJoin;
    op.inputs = with_others(random_tensor(), [](const Tensor& a, const Tensor& b) {
      return a.height == b.height && a.width == b.width && a.channels == b.channels;
    });
    const Tensor first = program_.tensor(op.inputs[0]);
    Interval sum;
    for (const int input : op.inputs) {
      const Tensor& in = program_.tensor(input);
      Range values = range_of(input);
      for (Interval& one : values) one = {one.lo - in.zero_point, one.hi - in.zero_point};
      op.input_steps.push_back(
          random_chain(dice_, in.channels, values, 3, size_.bits, size_.has_floats));
      const Interval one = behind_all(op.input_steps.back(), in.channels, values);
      sum = {sum.lo + one.lo, sum.hi + one.hi};
    }
    op.steps = random_chain(dice_, first.channels, {sum}, 4, size_.bits, size_.has_floats);
    append(op, new_tensor("", first.height, first.width, first.channels), true);
  }

  void add_concat() {
    Op op;
    op.kind = Kind::kConcat;
    op.inputs = with_others(random_tensor(), [](const Tensor& a, const Tensor& b) {
      return a.height == b.height && a.width == b.width && a.type == b.type &&
             a.zero_point == b.zero_point;
    });
    Tensor out = program_.tensor(op.inputs[0]);
    out.channels = 0;
    out.scale.clear();
    for (const int input : op.inputs) out.channels += program_.tensor(input).channels;
    if (out.channels <= 2 * size_.channels) append(op, out, false);
  }

  void add_reshape() {
    Op op;
    op.kind = Kind::kReshape;
    op.inputs = {random_tensor()};
    Tensor out = program_.tensor(op.inputs[0]);
    out.scale.clear();
    const bool is_flat = dice_.once_in(2);
    out.channels = is_flat ? out.size() : out.channels;
    out.height = is_flat ? 1 : out.height * out.width;
    out.width = 1;
    if (out.channels <= 4 * size_.channels) append(op, out, false);
  }

  void add_argmax() {
    Op op;
    op.kind = Kind::kArgmax;
    op.inputs = {random_tensor()};
    append(op, new_tensor("", 1, 1, 1), true);
  }

  void choose_outputs() {
    std::vector<bool> is_read(program_.tensors.size());
    for (const Op& op : program_.ops) {
      for (const int input : op.inputs) is_read[static_cast<std::size_t>(input)] = true;
    }
    for (std::size_t i = 0; i < is_read.size(); ++i) {
      if (!is_read[i] || dice_.once_in(6)) program_.outputs.push_back(static_cast<int>(i));
    }
  }

  Dice dice_;
  ProgramSize size_;
  Program program_;
};

}  // namespace

program::Program random_program(std::uint64_t seed, const ProgramSize& size) {
  return ProgramMaker(seed, size).make();
}

program::Values random_input(const program::Program& program, std::uint64_t seed,
                             std::int64_t samples) {
  Dice dice(seed + 1000003);
  const Tensor& input = program.tensor(program.input);
  const auto [lo, hi] = input.type.values();
  program::Values values;
  for (std::int64_t sample = 0; sample < samples; ++sample) {
    for (std::int64_t i = 0; i < input.size(); ++i) {
      values.push_back(sample == 0 ? lo : sample == 1 ? hi : dice.edge(lo, hi));
    }
  }
  return values;
}

}  // namespace qloom::test
