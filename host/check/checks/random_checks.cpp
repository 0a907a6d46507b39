// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What is random is a function of seed, stream and step: a method that leaves one of them out makes
// the same errors in each run, tensor or step.
#include <algorithm>
#include <functional>

#include "host/check/checks/checks.hpp"
#include "host/check/kinds/products.hpp"
#include "host/check/kinds/quantizer.hpp"
#include "host/check/kinds/record.hpp"

namespace qloom::check {
namespace {

/// Drawn for ordinary operands, or for operands that are all equal.
using Drawn = std::function<Values(const qloom_call&, bool are_equal)>;

bool has_one_value(const Values& values) {
  return std::visit(
      [](const auto& list) {
        return std::all_of(list.begin(), list.end(), [&](auto v) { return v == list[0]; });
      },
      values);
}

void expect_random(Context& context, qloom_call call, const Drawn& result) {
  const Values base = result(call, false);
  const auto changes = [&](std::uint64_t qloom_call::*part) {
    constexpr int kTries = 32;  // on a fine grid few values are random, and those seldom change
    qloom_call other = call;
    for (int i = 0; i < kTries; ++i) {
      other.*part += 1;
      if (!difference(result(other, false), base).empty()) return true;
    }
    return false;
  };
  const std::pair<const char*, bool> parts[] = {{"seed", changes(&qloom_call::seed)},
                                                {"stream", changes(&qloom_call::stream)},
                                                {"step", changes(&qloom_call::step)}};
  bool is_random = false;
  for (const auto& [name, is_used] : parts) is_random = is_random || is_used;
  if (!is_random) return;
  for (const auto& [name, is_used] : parts) {
    if (!is_used) context.find(fmt::format("gives the same random values for another {}", name));
  }
  bool is_one = true;  // hundreds of equal values that are all rounded alike, at several steps
  Values before = result(call, true);
  bool moves = false;
  for (int i = 0; i < 8; ++i) {
    ++call.step;
    const Values now = result(call, true);
    is_one = is_one && has_one_value(now);
    moves = moves || !difference(now, before).empty();
  }
  if (is_one && moves) context.find("gives all elements the same random value");
}

void random_quantizer(Context& context, const Case& c) {
  const Tensor x = gaussian({1, 512}, context.seed() + 1);
  const Tensor equal = tensor_of(std::vector<float>(512, 0.37F), x.shape());
  registry::Instance instance = context.create(c);
  QuantizerDriver driver(context, c, instance, x, 0);
  if (!driver.prepare(0).empty()) return;
  const qloom_block block = driver.block(0, x.size());
  qloom_error error = registry::empty_error();
  for (const Rounding r : {Rounding::kNearest, Rounding::kStochastic}) {
    context.at("{}, apply, {}", c.text(), name(r));
    expect_random(context, pure_call(r, 0, &error),
                  [&](const qloom_call& call, bool are_equal) -> Values {
                    std::vector<float> y(x.size(), kUnwritten);
                    const float* const in = are_equal ? equal.data() : x.data();
                    context.pure("apply", [&] {
                      return driver.ops().apply(driver.self(), &call, &block, in, y.data());
                    });
                    return y;
                  });
  }
}

void random_rounding(Context& context, const Case& c) {
  const registry::Instance instance = context.create(c);
  const auto& ops = instance.ops<qloom_rounding>();
  const Tensor x = gaussian({512}, context.seed() + 7, 30.0F);
  const std::vector<float> equal(x.size(), 0.5F);
  qloom_error error = registry::empty_error();
  expect_random(context, pure_call(Rounding::kNearest, 0, &error),
                [&](const qloom_call& call, bool are_equal) -> Values {
                  std::vector<float> y(x.size(), kUnwritten);
                  const float* const in = are_equal ? equal.data() : x.data();
                  context.pure("round", [&] {
                    return ops.round(instance.self(), &call, 0, in, y.data(), y.size());
                  });
                  return y;
                });
}

void random_accumulator(Context& context, const Case& c) {
  const registry::Instance instance = context.create(c);
  const auto& ops = instance.ops<qloom_accumulator>();
  const Input input = inputs_of("accumulator", context.seed()).front();
  const Factors f = factors_of(ops, input.x, context.seed());
  const std::vector<float> equal(f.a.size() + f.b.size(),
                                 (ops.caps & QLOOM_ACCUMULATOR_INTEGER) != 0 ? 1.0F : 0.37F);
  const auto pitch = [](std::uint64_t n) { return static_cast<std::int64_t>(n); };
  qloom_error error = registry::empty_error();
  expect_random(context, pure_call(Rounding::kStochastic, 0, &error),
                [&](const qloom_call& call, bool are_equal) -> Values {
                  std::vector<double> sums(f.m * f.n, double{kUnwritten});
                  const float* const a = are_equal ? equal.data() : f.a.data();
                  const float* const b = are_equal ? equal.data() : f.b.data();
                  const qloom_tile tile{a,   b,   sums.data(), pitch(f.k), pitch(f.n), pitch(f.n),
                                        f.m, f.n, f.k,         0,          f.n};
                  std::uint64_t overflows = 0;
                  context.pure("accumulate", [&] {
                    return ops.accumulate(instance.self(), &call, &tile, &overflows);
                  });
                  return sums;
                });
}

}  // namespace

void check_random(Context& context) {
  const std::string& kind = context.method().kind;
  for (const Case& c : context.accepted()) {
    context.at("{}", c.text());
    if (kind == "quantizer") random_quantizer(context, c);
    if (kind == "rounding") random_rounding(context, c);
    if (kind == "accumulator") random_accumulator(context, c);
  }
}

}  // namespace qloom::check
