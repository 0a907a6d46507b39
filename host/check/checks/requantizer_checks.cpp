// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What holds for requantizers alone: their steps do what they are asked for, within the bounds of
// integers.
#include <algorithm>
#include <cmath>

#include "host/check/checks/checks.hpp"
#include "host/check/kinds/requantizer.hpp"
#include "host/tensor/random.hpp"

namespace qloom::check {
namespace {

using methods::Requantization;
using methods::RequantizeTask;

constexpr int kSamples = 300;

/// The real code before it is rounded, within the range of codes.
double real_code(const RequantizeTask& task, std::uint64_t channel,
                 const std::vector<std::int64_t>& values) {
  long double real = task.offset[channel];
  for (std::size_t i = 0; i < values.size(); ++i) {
    real += static_cast<long double>(task.factor[i * task.channels + channel]) *
            static_cast<long double>(values[i]);
  }
  const auto low = static_cast<long double>(task.codes.lo),
             high = static_cast<long double>(task.codes.hi);
  return static_cast<double>(
      std::clamp(real + static_cast<long double>(task.zero_point), low, high));
}

/// Ends of what can be reached, zero, and random values between.
std::vector<std::int64_t> sample_of(const RequantizeTask& task, std::uint64_t channel, int number,
                                    std::uint64_t seed) {
  std::vector<std::int64_t> values;
  for (std::uint32_t i = 0; i < task.inputs; ++i) {
    const auto [lo, hi] = task.sums[i * task.channels + channel];
    const std::uint64_t word =
        random_word(seed, stream_id("check/requantizer"), i, static_cast<std::uint64_t>(number));
    const auto span = static_cast<std::uint64_t>(hi - lo) + 1;
    const std::int64_t drawn = lo + static_cast<std::int64_t>(((word << 20) ^ word) % span);
    values.push_back(number == 0   ? lo
                     : number == 1 ? hi
                     : number == 2 ? std::clamp<std::int64_t>(0, lo, hi)
                                   : drawn);
  }
  return values;
}

/// How far a code may lie from the real one: what the manifest says, half a code for rounding
/// besides, and a unit of the sum where that is more than a code.
double most_error(const RequantizeTask& task, std::uint64_t channel, double codes) {
  double unit = 0;
  for (std::uint32_t i = 0; i < task.inputs; ++i) {
    unit = std::fmax(unit, std::fabs(task.factor[i * task.channels + channel]));
  }
  return std::fmax(codes, unit) + 0.5 + 1e-9;
}

void expect_near(Context& context, const RequantizeTask& task, const Requantization& steps,
                 double codes) {
  for (std::uint64_t channel = 0; channel < task.channels; ++channel) {
    const double most = most_error(task, channel, codes);
    for (int i = 0; i < kSamples; ++i) {
      const auto values = sample_of(task, channel, i, context.seed());
      const std::int64_t code = methods::code_of(steps, channel, values);
      const double real = real_code(task, channel, values);
      if (std::fabs(static_cast<double>(code) - real) <= most) continue;
      return context.find(fmt::format("channel {}, v = {}: code {}, expected {} within {}", channel,
                                      fmt::join(values, ", "), code, real, most));
    }
  }
}

/// Does the manifest promise its accuracy for these parameters?
bool is_promised(const Json& promise, const Json& resolved) {
  const Json parameters = promise.value("parameters", Json::object());
  return std::all_of(parameters.items().begin(), parameters.items().end(), [&](const auto& entry) {
    return resolved.contains(entry.key()) && resolved[entry.key()] == entry.value();
  });
}

}  // namespace

void check_requantizer_steps(Context& context) {
  const Json promise = context.method().manifest.value("code_error", Json::object());
  const double codes = promise.value("codes", 1.0);
  int refusals = 0, answers = 0;
  for (const Case& c : context.accepted()) {
    for (const NamedTask& one : requantize_tasks()) {
      context.at("{}, {}", c.text(), one.name);
      registry::Instance instance = context.create(c);
      const Derived made = derived(context, instance, one.task);
      if (!made.fault.empty()) context.find(made.fault);
      (made.refusal.empty() ? answers : refusals) += 1;
      if (!made.fault.empty() || !made.refusal.empty()) continue;
      if (is_promised(promise, c.resolved)) expect_near(context, one.task, made.steps, codes);
      const Derived again = derived(context, instance, one.task);
      if (again.steps.behind == made.steps.behind && again.steps.before == made.steps.before) {
        continue;
      }
      context.find("the second answer of one instance is another one");
    }
  }
  context.remark(fmt::format("{} answers, {} refusals", answers, refusals));
}

}  // namespace qloom::check
