// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/compile/cost.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace qloom::compile {
namespace {

using program::Op;
using program::Range;
using steps::Interval;

int widest(const std::vector<std::int64_t>& constants) {
  const auto [lo, hi] = std::minmax_element(constants.begin(), constants.end());
  return steps::bits_of({*lo, *hi});
}

/// Takes the steps of a chain on; answers what comes behind it.
Range add(const steps::Chain& chain, std::uint64_t channels, Range values, Cost& cost) {
  bool is_product = false;
  for (const steps::Step& step : chain) {
    const steps::Proof proof = steps::prove({step}, channels, values);
    const Interval behind = proof.behind.back();
    const bool makes_wider = step.op == steps::Op::kMultiply || step.op == steps::Op::kShiftLeft;
    if (step.op == steps::Op::kMultiply) {
      cost.multiplier = std::max(cost.multiplier, widest(step.constants));
    }
    if (step.op == steps::Op::kAdd) cost.bias = std::max(cost.bias, widest(step.constants));
    if (step.op == steps::Op::kCount) cost.thresholds += step.per_channel;
    if (step.op == steps::Op::kTable) cost.entries += step.per_channel;
    is_product = makes_wider || (is_product && step.op == steps::Op::kAdd);
    if (is_product) cost.product = std::max(cost.product, steps::bits_of(behind));
    Range next;
    for (std::uint64_t channel = 0; channel < channels; ++channel) {
      next.push_back(*steps::behind(step, channel, values[values.size() == 1 ? 0 : channel]));
    }
    values = std::move(next);
  }
  return values;
}

}  // namespace

Cost cost_of(const program::Program& program, const std::vector<Range>& ranges, const Op& op) {
  Cost cost;
  const auto channels = static_cast<std::uint64_t>(program.tensor(op.output).channels);
  const auto range_of = [&](int tensor) { return ranges[static_cast<std::size_t>(tensor)]; };
  if (op.kind == program::Kind::kMap) add(op.steps, channels, range_of(op.inputs[0]), cost);
  if (op.kind != program::Kind::kJoin) return cost;
  Range sums(channels, {0, 0});
  for (std::size_t i = 0; i < op.inputs.size(); ++i) {
    Range values = range_of(op.inputs[i]);
    const std::int64_t zero = program.tensor(op.inputs[i]).zero_point;
    for (Interval& value : values) value = {value.lo - zero, value.hi - zero};
    values = add(op.input_steps[i], channels, values, cost);
    for (std::uint64_t c = 0; c < channels; ++c) {
      const Interval& value = values[values.size() == 1 ? 0 : c];
      sums[c] = {sums[c].lo + value.lo, sums[c].hi + value.hi};
    }
  }
  add(op.steps, channels, sums, cost);
  return cost;
}

json::Json to_json(const Cost& cost) {
  json::Json all = json::Json::object();
  const auto put = [&all](const char* name, std::uint64_t value) {
    if (value > 0) all[name] = value;
  };
  put("multiplier_bits", static_cast<std::uint64_t>(cost.multiplier));
  put("bias_bits", static_cast<std::uint64_t>(cost.bias));
  put("product_bits", static_cast<std::uint64_t>(cost.product));
  put("thresholds", cost.thresholds);
  put("table_entries", cost.entries);
  return all;
}

std::string text_of(const Cost& cost) {
  std::string text;
  const auto put = [&text](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
  if (cost.multiplier > 0) put(fmt::format("multiplier {}", cost.multiplier));
  if (cost.bias > 0) put(fmt::format("bias {}", cost.bias));
  if (cost.product > 0) put(fmt::format("product {} bits", cost.product));
  if (cost.thresholds > 0) put(fmt::format("{} thresholds", cost.thresholds));
  if (cost.entries > 0) put(fmt::format("table of {}", cost.entries));
  return text;
}

}  // namespace qloom::compile
