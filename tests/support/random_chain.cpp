// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "tests/support/random_chain.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace qloom::test {
namespace {

using steps::Chain;
using steps::Interval;
using steps::Step;
using StepOp = steps::Op;
using Range = std::vector<Interval>;

/// Steps that a proof accepts, one after the other.
class ChainMaker {
 public:
  ChainMaker(Dice& dice, std::int64_t channels, Range range, bool has_floats)
      : dice_(dice),
        channels_(static_cast<std::uint64_t>(channels)),
        range_(std::move(range)),
        has_floats_(has_floats) {}

  /// Some steps, and one more where the values do not fit in so many bits.
  Chain make(int most_steps, int bits) {
    const int count = dice_.small(0, most_steps);
    for (int i = 0; i < count; ++i) add(random_step());
    if (steps::bits_of(values()) > bits) add(narrowing_step(bits));
    return std::move(chain_);
  }

 private:
  [[nodiscard]] Interval values() const {
    return behind_all(chain_, static_cast<std::int64_t>(channels_), range_);
  }

  /// The step is left out where a value could leave 64 bits or a table.
  void add(Step step) {
    chain_.push_back(std::move(step));
    if (!steps::prove(chain_, channels_, range_).holds()) chain_.pop_back();
  }

  template <class Constants>
  Step step_of_channels(StepOp op, const Constants& constants_of_channel) {
    Step step;
    step.op = op;
    const std::uint64_t groups = dice_.once_in(2) ? 1 : channels_;
    for (std::uint64_t i = 0; i < groups; ++i) {
      const std::vector<std::int64_t> constants = constants_of_channel();
      step.per_channel = constants.size();
      step.constants.insert(step.constants.end(), constants.begin(), constants.end());
    }
    return step;
  }
  template <class Constant>
  Step step_of_one(StepOp op, const Constant& constant) {
    return step_of_channels(op, [&] { return std::vector<std::int64_t>{constant()}; });
  }

  std::vector<std::int64_t> ascending(std::int64_t count) {
    const Interval now = values();
    const std::int64_t around = std::int64_t{1} << 40;
    std::vector<std::int64_t> constants;
    for (std::int64_t i = 0; i < count; ++i) {
      constants.push_back(dice_.in(std::max(now.lo, -around) - 2, std::min(now.hi, around) + 2));
    }
    std::sort(constants.begin(), constants.end());
    return constants;
  }

  Step table_step() {
    const Interval now = values();
    if (now.lo < 0 || now.hi > 600) {
      return step_of_one(StepOp::kSaturate, [&] { return dice_.in(1, 9); });
    }
    return step_of_channels(StepOp::kTable, [&] {
      std::vector<std::int64_t> constants(static_cast<std::size_t>(now.hi + 1));
      for (std::int64_t& constant : constants) constant = dice_.of_bits(20);
      return constants;
    });
  }

  /// Factors of all signs and many magnitudes; some of a few bits, so that ties come up.
  Step float_step() {
    Step step;
    step.op = StepOp::kFloatScale;
    const std::uint64_t groups = dice_.once_in(2) ? 1 : channels_;
    for (std::uint64_t i = 0; i < groups; ++i) {
      const auto significand = static_cast<float>(dice_.of_bits(dice_.once_in(3) ? 3 : 24));
      step.factors.push_back(std::ldexp(significand, -dice_.small(0, 40)));
    }
    return step;
  }

  Step random_step() {
    const auto op = static_cast<StepOp>(dice_.in(0, has_floats_ ? 9 : 8));
    switch (op) {
      case StepOp::kAdd:
        return step_of_one(op, [&] { return dice_.of_bits(40); });
      case StepOp::kMultiply:
        return step_of_one(op, [&] { return dice_.of_bits(31); });
      case StepOp::kShiftLeft:
        return step_of_one(op, [&] { return dice_.in(0, 20); });
      case StepOp::kShiftRight: {
        Step step = step_of_one(op, [&] { return dice_.in(0, dice_.once_in(4) ? 62 : 12); });
        step.rounding = static_cast<steps::Rounding>(dice_.in(0, 5));
        return step;
      }
      case StepOp::kClamp:
        return step_of_channels(op, [&] { return ascending(2); });
      case StepOp::kCount: {
        const std::int64_t count = dice_.in(1, 20);
        return step_of_channels(op, [&] { return ascending(count); });
      }
      case StepOp::kWrap:
      case StepOp::kSaturate:
        return step_of_one(op, [&] { return dice_.in(1, dice_.once_in(8) ? 64 : 40); });
      case StepOp::kTable:
        return table_step();
      case StepOp::kFloatScale:
        return float_step();
    }
    return {};
  }

  Step narrowing_step(int bits) {
    const auto fitting = [&] { return dice_.in(std::max(1, bits - 6), bits); };
    return step_of_one(dice_.once_in(2) ? StepOp::kWrap : StepOp::kSaturate, fitting);
  }

  Dice& dice_;
  std::uint64_t channels_;
  Range range_;
  bool has_floats_;
  Chain chain_;
};

}  // namespace

steps::Chain random_chain(Dice& dice, std::int64_t channels, const Range& range, int most_steps,
                          int bits, bool has_floats) {
  return ChainMaker(dice, channels, range, has_floats).make(most_steps, bits);
}

steps::Interval behind_all(const steps::Chain& chain, std::int64_t channels, const Range& range) {
  if (!chain.empty()) {
    return steps::prove(chain, static_cast<std::uint64_t>(channels), range).behind.back();
  }
  Interval all = range[0];
  for (const Interval one : range) all = steps::join(all, one);
  return all;
}

}  // namespace qloom::test
