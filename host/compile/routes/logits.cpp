// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/compile/routes/logits.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "host/tensor/error.hpp"

namespace qloom::compile {
namespace {

/// Logits as factor * (sum + whole) + offset, one a channel.
struct Linear {
  std::vector<double> factor, offset;
  std::vector<std::int64_t> whole;  ///< bias at the scale of the sums; empty: it is real
};

Linear linear_of(const Route& route, const network::Pass& pass) {
  const Node& node = *route.contraction;
  const contraction::Operand &x = node.input_operand, &w = node.weight_operand;
  Linear linear;
  const std::vector<double>& integers = node.bias_integers;
  linear.whole.assign(integers.begin(), integers.end());
  const bool is_real = integers.empty() && node.bias_values != nullptr;
  for (std::size_t c = 0; c < static_cast<std::size_t>(route.channels()); ++c) {
    linear.factor.push_back(double{*x.scale} * double{w.scale[w.scale_count == 1 ? 0 : c]});
    linear.offset.push_back(is_real ? double{node.bias_values[c]} : 0.0);
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

steps::Step add_of(std::vector<std::int64_t> constants) {
  return {steps::Op::kAdd, steps::Rounding::kTowardNegative, std::move(constants), 1};
}

/// What sums in these ranges, one a channel, become.
Interval values_behind(const steps::Chain& chain, const std::vector<Interval>& ranges) {
  if (chain.empty()) {
    Interval values = ranges[0];
    for (const Interval& range : ranges) values = steps::join(values, range);
    return values;
  }
  const steps::Proof proof = steps::prove(chain, ranges.size(), ranges);
  if (!proof.holds()) throw RunError("logits: " + proof.fault);
  return proof.behind.back();
}

/// The sums themselves with a whole bias, where they are the logits at one scale.
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
  if (!linear.whole.empty()) logits.steps = {add_of(linear.whole)};
  logits.values = values_behind(logits.steps, ranges);
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

/// A factor far below the largest has few bits left, and its class another place among the logits.
void require_bits(const std::vector<double>& factors, const std::vector<std::int64_t>& multipliers,
                  int bits) {
  constexpr std::int64_t kFewest = 1 << 15;  // 16 bits
  for (std::size_t c = 0; c < factors.size(); ++c) {
    const std::int64_t m = multipliers[c];
    if (std::abs(m) >= kFewest || std::ldexp(static_cast<double>(m), -bits) == factors[c]) continue;
    throw RunError(
        fmt::format("logits: class {} has the factor {}, of which {} bits are left beside the "
                    "largest one of 31 bits, fewer than 16: classes could change places",
                    c, factors[c], steps::bits_of({0, std::abs(m)})));
  }
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
  const Linear linear = linear_of(route, pass);
  if (auto sums = sums_as_logits(linear, ranges)) return *sums;
  double largest = 0;
  for (const double factor : linear.factor) largest = std::max(largest, std::abs(factor));
  int exponent = 0;
  std::frexp(largest, &exponent);
  const int bits = 31 - exponent;  // largest * 2^bits lies in 2^30 .. 2^31
  LinearLogits logits;
  logits.scale = std::ldexp(1.0, -bits);
  std::vector<std::int64_t> multipliers = scaled(linear.factor, bits);
  require_bits(linear.factor, multipliers, bits);
  if (!linear.whole.empty()) logits.steps.push_back(add_of(linear.whole));
  logits.steps.push_back(
      {steps::Op::kMultiply, steps::Rounding::kTowardNegative, std::move(multipliers), 1});
  const bool has_offset = std::any_of(linear.offset.begin(), linear.offset.end(),
                                      [](double offset) { return offset != 0; });
  if (has_offset) logits.steps.push_back(add_of(scaled(linear.offset, bits)));
  logits.values = values_behind(logits.steps, ranges);
  return logits;
}

}  // namespace qloom::compile
