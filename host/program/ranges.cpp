// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/program/ranges.hpp"

#include <algorithm>
#include <optional>

#include "host/program/fault.hpp"

namespace qloom::program {
namespace {

constexpr Interval kZero{0, 0};

/// Of a channel.
Interval part_of(const Range& range, std::size_t channel) {
  return range[range.size() == 1 ? 0 : channel];
}

/// Values plus a constant, as a step does it.
std::optional<Interval> added(Interval values, std::int64_t constant) {
  return steps::behind({.op = steps::Op::kAdd, .constants = {constant}}, 0, values);
}
std::optional<Interval> multiplied(Interval values, std::int64_t factor) {
  return steps::behind({.op = steps::Op::kMultiply, .constants = {factor}}, 0, values);
}

Interval without_zero_point(const Tensor& tensor, Interval codes, const std::string& at) {
  const std::optional<Interval> values = added(codes, -tensor.zero_point);
  require(values.has_value(), at, "\"{}\" minus its zero point {} leaves 64 bits", tensor.name,
          tensor.zero_point);
  return *values;
}

Range without_zero_point(const Tensor& tensor, const Range& codes, const std::string& at) {
  Range values;
  for (const Interval one : codes) values.push_back(without_zero_point(tensor, one, at));
  return values;
}

bool is_uniform(const Chain& chain) {
  return std::all_of(chain.begin(), chain.end(),
                     [](const steps::Step& step) { return step.groups() == 1; });
}

Range behind(const Chain& chain, std::int64_t channels, const Range& values,
             const std::string& at) {
  const bool is_one = values.size() == 1 && is_uniform(chain);
  const auto count = is_one ? std::uint64_t{1} : static_cast<std::uint64_t>(channels);
  const steps::Proof proof = steps::prove(chain, count, values);
  require(proof.holds(), at, "{}", proof.fault);
  Range range;
  for (std::uint64_t channel = 0; channel < count; ++channel) {
    Interval now = part_of(values, channel);
    for (const steps::Step& step : chain) now = *steps::behind(step, channel, now);
    range.push_back(now);
  }
  return range;
}

/// Two's complement. Unit: bits.
int register_bits(const std::vector<Interval>& sums) {
  Interval all{-1, 0};
  for (const Interval sum : sums) all = steps::join(all, sum);
  return steps::bits_of(all);
}

/// Goes through the operations in their order.
class Walk {
 public:
  explicit Walk(const Program& program) : program_(program), ranges_(program.tensors.size()) {}

  std::vector<Range> run() {
    const Tensor& input = program_.tensor(program_.input);
    range(program_.input) = {input.type.values()};
    for (const Op& op : program_.ops) {
      const std::string at = pointer_of(program_, op);
      const Tensor& out = program_.tensor(op.output);
      range(op.output) = behind_op(op, at);
      const auto [lo, hi] = whole(range(op.output));
      const Interval held = out.type.values();
      require(lo >= held.lo && hi <= held.hi, at + "/out",
              "\"{}\" gets {} to {}, expected {} to {} of its type {}", out.name, lo, hi, held.lo,
              held.hi, out.type.text());
    }
    return std::move(ranges_);
  }

 private:
  Range& range(int tensor) { return ranges_[static_cast<std::size_t>(tensor)]; }

  Range behind_op(const Op& op, const std::string& at) {
    const Tensor& in = program_.tensor(op.inputs[0]);
    const Range& codes = range(op.inputs[0]);
    switch (op.kind) {
      case Kind::kConv:
      case Kind::kDense:
        return behind_products(op, at);
      case Kind::kMap:
        return behind(op.steps, in.channels, codes, at + "/steps");
      case Kind::kJoin:
        return behind_join(op, at);
      case Kind::kConcat:
        return behind_concat(op);
      case Kind::kSumPool:
        return behind_sum_pool(op, at);
      case Kind::kMaxPool:
        return codes;
      case Kind::kArgmax:
        return {{0, in.size() - 1}};
      case Kind::kReshape:
        return in.channels == program_.tensor(op.output).channels ? codes : Range{whole(codes)};
    }
    return {};
  }

  Range behind_products(const Op& op, const std::string& at) {
    const Tensor& in = program_.tensor(op.inputs[0]);
    Interval codes = whole(range(op.inputs[0]));
    if (op.window.pads()) codes = steps::join(codes, {op.pad, op.pad});
    // With 0 among the factors every partial sum lies between what sums_of() says and 0.
    const Interval factors = steps::join(without_zero_point(in, codes, at + "/in"), kZero);
    std::vector<Interval> sums = sums_of(op, factors);
    const int needed = register_bits(sums);
    require(op.sum.needed >= needed, at + "/accumulator/needed", "{}, expected at least {}",
            op.sum.needed, needed);
    if (needed <= op.sum.bits) return sums;
    require(op.sum.overflow != Overflow::kNever, at + "/accumulator/bits",
            "{}, expected at least {} where no sum may overflow", op.sum.bits, needed);
    require_products(op, factors, at);
    const Interval held = values_of(op.sum);
    for (Interval& sum : sums) {
      if (sum.lo < held.lo || sum.hi > held.hi) sum = held;
    }
    return sums;
  }

  /// Each product and each sum of it and what the register holds.
  static void require_products(const Op& op, Interval factors, const std::string& at) {
    const auto [least, most] = std::minmax_element(op.weights.begin(), op.weights.end());
    const Interval held = values_of(op.sum);
    for (const std::int64_t weight : {*least, *most}) {
      const std::optional<Interval> products = multiplied(factors, weight);
      const bool fits = products && added(*products, held.lo).has_value() &&
                        added(*products, held.hi).has_value();
      require(fits, at + "/weights", "weight {} times codes of {} to {} leaves 64 bits", weight,
              factors.lo, factors.hi);
    }
  }

  Range behind_join(const Op& op, const std::string& at) {
    const std::int64_t channels = program_.tensor(op.output).channels;
    Range sum{kZero};
    for (std::size_t i = 0; i < op.inputs.size(); ++i) {
      const Tensor& in = program_.tensor(op.inputs[i]);
      const std::string place = fmt::format("{}/input_steps/{}", at, i);
      const Range values = behind(op.input_steps[i], channels,
                                  without_zero_point(in, range(op.inputs[i]), place), place);
      sum = total(sum, values, at);
    }
    return behind(op.steps, channels, sum, at + "/steps");
  }

  static Range total(const Range& a, const Range& b, const std::string& at) {
    Range all;
    for (std::size_t channel = 0; channel < std::max(a.size(), b.size()); ++channel) {
      const Interval left = part_of(a, channel), right = part_of(b, channel);
      const auto low = added({left.lo, left.lo}, right.lo),
                 high = added({left.hi, left.hi}, right.hi);
      require(low && high, at + "/input_steps", "the sum of the inputs leaves 64 bits");
      all.push_back({low->lo, high->hi});
    }
    return all;
  }

  Range behind_concat(const Op& op) {
    const bool are_whole = std::all_of(op.inputs.begin(), op.inputs.end(), [&](int input) {
      return range(input) == range(op.inputs[0]) && range(input).size() == 1;
    });
    if (are_whole) return range(op.inputs[0]);
    Range all;
    for (const int input : op.inputs) {
      const auto channels = static_cast<std::size_t>(program_.tensor(input).channels);
      for (std::size_t c = 0; c < channels; ++c) all.push_back(part_of(range(input), c));
    }
    return all;
  }

  Range behind_sum_pool(const Op& op, const std::string& at) {
    const Tensor& in = program_.tensor(op.inputs[0]);
    Range sums = without_zero_point(in, range(op.inputs[0]), at + "/in");
    for (Interval& sum : sums) {
      const auto all = multiplied(sum, op.window.kernel_h * op.window.kernel_w);
      require(all.has_value(), at + "/in", "the sum of a window of \"{}\" leaves 64 bits", in.name);
      sum = *all;
    }
    return sums;
  }

  const Program& program_;
  std::vector<Range> ranges_;
};

}  // namespace

Interval whole(const Range& range) {
  Interval all = range[0];
  for (const Interval one : range) all = steps::join(all, one);
  return all;
}

Interval values_of(const Register& sum) {
  return Type{.is_signed = true, .bits = sum.bits}.values();
}

std::vector<Range> ranges_of(const Program& program) { return Walk(program).run(); }

std::string fault_of(const Program& program) {
  try {
    require_structure(program);
    static_cast<void>(ranges_of(program));
  } catch (const Fault& fault) {
    return fault.what();
  }
  return {};
}

}  // namespace qloom::program
