// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What is random is a function of seed, stream and step: a method that leaves one of them out makes
// the same errors in each run, tensor or step.
#include <functional>

#include "host/check/checks.hpp"
#include "host/check/products.hpp"
#include "host/check/quantizer.hpp"
#include "host/check/record.hpp"

namespace qloom::check {
namespace {

using Result = std::function<Values(const qloom_call&)>;

void expect_random(Context& context, qloom_call call, const Result& result) {
  const Values base = result(call);
  const auto changes = [&](std::uint64_t qloom_call::*part) {
    qloom_call other = call;
    other.*part += 1;
    return !difference(result(other), base).empty();
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
}

void random_quantizer(Context& context, const Case& c) {
  const Tensor x = gaussian({8, 64}, context.seed() + 1);
  registry::Instance instance = context.create(c);
  QuantizerDriver driver(context, c, instance, x, 0);
  if (!driver.prepare(0).empty()) return;
  const qloom_block block = driver.block(0, x.size());
  qloom_error error = registry::empty_error();
  for (const Rounding r : {Rounding::kNearest, Rounding::kStochastic}) {
    context.at("{}, apply, {}", c.text(), name(r));
    expect_random(context, pure_call(r, 0, &error), [&](const qloom_call& call) -> Values {
      std::vector<float> y(x.size(), kUnwritten);
      context.pure("apply", [&] {
        return driver.ops().apply(driver.self(), &call, &block, x.data(), y.data());
      });
      return y;
    });
  }
}

void random_rounding(Context& context, const Case& c) {
  const registry::Instance instance = context.create(c);
  const auto& ops = instance.ops<qloom_rounding>();
  const Tensor x = gaussian({512}, context.seed() + 7, 30.0F);
  qloom_error error = registry::empty_error();
  expect_random(context, pure_call(Rounding::kNearest, 0, &error),
                [&](const qloom_call& call) -> Values {
                  std::vector<float> y(x.size(), kUnwritten);
                  context.pure("round", [&] {
                    return ops.round(instance.self(), &call, 0, x.data(), y.data(), y.size());
                  });
                  return y;
                });
}

void random_accumulator(Context& context, const Case& c) {
  const registry::Instance instance = context.create(c);
  const auto& ops = instance.ops<qloom_accumulator>();
  const Input input = inputs_of("accumulator", context.seed()).front();
  const Factors f = factors_of(ops, input.x, context.seed());
  const auto pitch = [](std::uint64_t n) { return static_cast<std::int64_t>(n); };
  qloom_error error = registry::empty_error();
  expect_random(context, pure_call(Rounding::kStochastic, 0, &error),
                [&](const qloom_call& call) -> Values {
                  std::vector<double> sums(f.m * f.n, double{kUnwritten});
                  const qloom_tile tile{f.a.data(), f.b.data(), sums.data(), pitch(f.k),
                                        pitch(f.n), pitch(f.n), f.m,         f.n,
                                        f.k,        0,          f.n};
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
