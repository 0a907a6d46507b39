// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/compile/logits.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>

#include <fmt/format.h>

#include "host/tensor/error.hpp"

namespace qloom::compile {
namespace {

/// Logits as factor * sum + offset, one a channel.
struct Linear {
  std::vector<double> factor, offset;
};

Linear linear_of(const Route& route, const network::Pass& pass) {
  const Node& node = *route.contraction;
  const contraction::Operand &x = node.input_operand, &w = node.weight_operand;
  Linear linear;
  for (std::size_t c = 0; c < static_cast<std::size_t>(route.channels()); ++c) {
    linear.factor.push_back(double{*x.scale} * double{w.scale[w.scale_count == 1 ? 0 : c]});
    linear.offset.push_back(node.bias_values == nullptr ? 0.0 : double{node.bias_values[c]});
  }
  for (const Node* next : route.nodes) {
    if (next->norm == nullptr) continue;
    std::vector<float> scale, shift;
    next->norm->inference(pass, scale, shift);
    for (std::size_t c = 0; c < scale.size(); ++c) {
      linear.factor[c] *= double{scale[c]};
      linear.offset[c] = linear.offset[c] * double{scale[c]} + double{shift[c]};
    }
  }
  return linear;
}

/// The sums themselves, where they are the logits at one scale.
std::optional<LinearLogits> sums_as_logits(const Linear& linear,
                                           const std::vector<Interval>& ranges) {
  const double factor = linear.factor[0];
  const auto is_one = [factor](double other) { return other == factor; };
  const auto is_zero = [](double offset) { return offset == 0; };
  if (!(factor > 0) || !std::all_of(linear.factor.begin(), linear.factor.end(), is_one) ||
      !std::all_of(linear.offset.begin(), linear.offset.end(), is_zero)) {
    return std::nullopt;
  }
  LinearLogits logits;
  logits.scale = factor;
  logits.values = ranges[0];
  for (const Interval& range : ranges) logits.values = steps::join(logits.values, range);
  constexpr std::int64_t kDistinct = std::int64_t{1} << 23;  // times a factor, in 24 bits
  logits.rounds = logits.values.lo <= -kDistinct || logits.values.hi >= kDistinct;
  return logits;
}

/// Each value * 2^bits as an integer.
std::vector<std::int64_t> scaled(const std::vector<double>& values, int bits) {
  std::vector<std::int64_t> integers;
  for (const double value : values) {
    const double at_scale = std::ldexp(value, bits);
    if (!(std::abs(at_scale) < 0x1p62)) {
      throw RunError(
          fmt::format("logits: an offset of {} beside factors below 2^{}", value, 31 - bits));
    }
    integers.push_back(std::llrint(at_scale));
  }
  return integers;
}

}  // namespace

bool is_linear(const Route& route) {
  return route.contraction != nullptr &&
         std::all_of(route.nodes.begin(), route.nodes.end(), [](const Node* node) {
           return node->norm != nullptr || node->layer->type->same_bytes;
         });
}

LinearLogits linear_logits(const Route& route, const network::Pass& pass,
                           const std::vector<Interval>& ranges) {
  using steps::Op;
  using steps::Rounding;
  const Linear linear = linear_of(route, pass);
  if (auto sums = sums_as_logits(linear, ranges)) return *sums;
  double largest = 0;
  for (const double factor : linear.factor) largest = std::max(largest, std::abs(factor));
  int exponent = 0;
  std::frexp(largest, &exponent);
  const int bits = 31 - exponent;  // largest * 2^bits lies in 2^30 .. 2^31
  LinearLogits logits;
  logits.scale = std::ldexp(1.0, -bits);
  logits.steps = {
      {Op::kMultiply, Rounding::kTowardNegative, scaled(linear.factor, bits), 1},
      {Op::kAdd, Rounding::kTowardNegative, scaled(linear.offset, bits), 1},
  };
  const bool has_offset = std::any_of(linear.offset.begin(), linear.offset.end(),
                                      [](double offset) { return offset != 0; });
  if (!has_offset) logits.steps.pop_back();
  const steps::Proof proof =
      steps::prove(logits.steps, static_cast<std::uint64_t>(route.channels()), ranges);
  if (!proof.holds()) throw RunError("logits: " + proof.fault);
  logits.values = proof.behind.back();
  return logits;
}

}  // namespace qloom::compile
