// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Which values each tensor can take, whatever images, labels, weights and random words are.
#include <algorithm>

#include "host/step_program/fault.hpp"
#include "host/step_program/tensors.hpp"

namespace qloom::step_program {
namespace {

__extension__ using Bound = __int128;

constexpr std::int64_t kMost = std::int64_t{1} << 62;

/// Sums and products of intervals, within 62 bits.
class Bounds {
 public:
  Bounds(const Program& program, const std::vector<Interval>& ranges)
      : program_(program), ranges_(ranges) {}

  Interval of(const Op& op, const std::string& at) const {
    const Interval x = range(op, 0);
    switch (op.kind) {
      case Kind::kConv:
      case Kind::kDense:
        return sum(op, op.window.fan_in(), at);
      case Kind::kConvDx:
      case Kind::kDenseDx:
        return sum(op, op.window.kernel_h * op.window.kernel_w * op.window.out_c / op.window.groups,
                   at);
      case Kind::kConvDw:
      case Kind::kDenseDw:
        return sum(op, program_.batch * op.window.out_h() * op.window.out_w(), at);
      case Kind::kMap:
        return mapped(op, x, at);
      case Kind::kMaxPool:
        return x;
      case Kind::kMaxPlace:
        return {0, op.window.kernel_h * op.window.kernel_w - 1};
      case Kind::kSubtractLabel:
        return checked(Bound{x.lo} - std::max<std::int64_t>(op.one, 0),
                       Bound{x.hi} - std::min<std::int64_t>(op.one, 0), at);
      case Kind::kRoute:
        return routed(op, x, at);
      case Kind::kMultiply:
        return product(x, range(op, 1), at);
      case Kind::kSignificant:
      case Kind::kExponent:
      case Kind::kNormalise:
      case Kind::kStochastic:
      case Kind::kUpdate:
        return of_scaled(op, x, at);
    }
    return {};
  }

 private:
  [[nodiscard]] Interval range(const Op& op, std::size_t input) const {
    return ranges_[static_cast<std::size_t>(op.inputs[input])];
  }

  /// Operations around exponents.
  [[nodiscard]] Interval of_scaled(const Op& op, Interval x, const std::string& at) const {
    switch (op.kind) {
      case Kind::kSignificant:
        return {significant(x.lo, op.bits), significant(x.hi, op.bits)};
      case Kind::kExponent: {
        const std::int64_t most = std::max(-x.lo, x.hi);
        return {0, most == 0 ? 0 : exponent_of(static_cast<std::uint64_t>(most))};
      }
      case Kind::kNormalise:
        return {op.low, op.high};
      case Kind::kStochastic: {
        int shift = op.rates[0].shift;
        for (const Rate& rate : op.rates) shift = std::max(shift, rate.shift);
        const std::int64_t most = largest_stochastic(shift);
        return {x.lo < 0 ? -most : 0, most};
      }
      case Kind::kUpdate:
        program::require(op.low <= op.high, at + "/low", "{} above {}", op.low, op.high);
        return {op.low, op.high};
      case Kind::kConv:
      case Kind::kConvDx:
      case Kind::kConvDw:
      case Kind::kDense:
      case Kind::kDenseDx:
      case Kind::kDenseDw:
      case Kind::kMap:
      case Kind::kMaxPool:
      case Kind::kMaxPlace:
      case Kind::kSubtractLabel:
      case Kind::kRoute:
      case Kind::kMultiply:
        throw program::Fault(at + "/op: an operation without bounds");
    }
    return {};
  }

  static Interval checked(Bound lo, Bound hi, const std::string& at) {
    program::require(lo >= -kMost && hi <= kMost, at, "its values leave 62 bits");
    return {static_cast<std::int64_t>(lo), static_cast<std::int64_t>(hi)};
  }
  static Interval product(Interval a, Interval b, const std::string& at) {
    const auto [lo, hi] = std::minmax(
        {Bound{a.lo} * b.lo, Bound{a.lo} * b.hi, Bound{a.hi} * b.lo, Bound{a.hi} * b.hi});
    return checked(lo, hi, at);
  }
  /// Of at most so many products: every partial sum too.
  [[nodiscard]] Interval sum(const Op& op, std::int64_t count, const std::string& at) const {
    const Interval one = product(range(op, 0), range(op, 1), at);
    return checked(Bound{std::min<std::int64_t>(one.lo, 0)} * count,
                   Bound{std::max<std::int64_t>(one.hi, 0)} * count, at);
  }
  static Interval routed(const Op& op, Interval dy, const std::string& at) {
    const ContractionShape& w = op.window;
    const std::int64_t rows = (w.kernel_h + w.stride_h - 1) / w.stride_h;
    const std::int64_t windows = rows * ((w.kernel_w + w.stride_w - 1) / w.stride_w);
    return checked(Bound{std::min<std::int64_t>(dy.lo, 0)} * windows,
                   Bound{std::max<std::int64_t>(dy.hi, 0)} * windows, at);
  }
  [[nodiscard]] Interval mapped(const Op& op, Interval x, const std::string& at) const {
    const auto channels = static_cast<std::uint64_t>(program_.tensor(op.output).shape.back());
    const bool is_whole =
        std::none_of(op.steps.begin(), op.steps.end(),
                     [](const steps::Step& step) { return step.op == steps::Op::kFloatScale; });
    program::require(is_whole, at + "/steps", "a step in floating point");
    const steps::Proof proof = steps::prove(op.steps, channels, {x});
    program::require(proof.holds(), at + "/steps", "{}", proof.fault);
    return proof.behind.empty() ? x : proof.behind.back();
  }

  const Program& program_;
  const std::vector<Interval>& ranges_;
};

/// The update that makes a parameter's next value.
const Op& update_of(const Program& program, const Parameter& parameter) {
  return *std::find_if(program.ops.begin(), program.ops.end(),
                       [&](const Op& op) { return op.output == parameter.next; });
}

void require_initial(const Program& program, std::size_t i) {
  const Parameter& parameter = program.parameters[i];
  const Op& update = update_of(program, parameter);
  for (const std::int64_t value : parameter.initial) {
    program::require(value >= update.low && value <= update.high,
                     fmt::format("/parameters/{}/initial", i), "{}, expected {} to {}", value,
                     update.low, update.high);
  }
}

void require_held(const Tensor& tensor, Interval values, const std::string& at) {
  const Interval held = tensor.type.values();
  program::require(values.lo >= held.lo && values.hi <= held.hi, at,
                   "\"{}\" takes values from {} to {}, its type {} holds {} to {}", tensor.name,
                   values.lo, values.hi, tensor.type.text(), held.lo, held.hi);
}

}  // namespace

Interval range_behind(const Program& program, const std::vector<Interval>& ranges, const Op& op,
                      const std::string& at) {
  return Bounds(program, ranges).of(op, at);
}

std::vector<Interval> proved_ranges(const Program& program) {
  std::vector<Interval> ranges(program.tensors.size());
  const auto at = [&](int tensor) -> Interval& { return ranges[static_cast<std::size_t>(tensor)]; };
  at(program.images) = program.tensor(program.images).type.values();
  for (std::size_t i = 0; i < program.parameters.size(); ++i) {
    const Parameter& parameter = program.parameters[i];
    const Op& update = update_of(program, parameter);
    require_initial(program, i);
    at(parameter.tensor) = {update.low, update.high};
    require_held(program.tensor(parameter.tensor), at(parameter.tensor),
                 fmt::format("/parameters/{}", i));
  }
  for (std::size_t i = 0; i < program.ops.size(); ++i) {
    const Op& op = program.ops[i];
    const std::string place = pointer_of(program, i);
    at(op.output) = range_behind(program, ranges, op, place);
    require_held(program.tensor(op.output), at(op.output), place);
  }
  return ranges;
}

std::string fault_of(const Program& program) try {
  require_structure(program);
  static_cast<void>(proved_ranges(program));
  return {};
} catch (const program::Fault& fault) {
  return fault.what();
}

std::vector<Interval> ranges_of(const Program& program) { return proved_ranges(program); }

}  // namespace qloom::step_program
