// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/check/kinds/requantizer.hpp"

#include <cmath>
#include <utility>

#include "host/check/kinds/quantizer.hpp"
#include "host/tensor/error.hpp"

namespace qloom::check {
namespace {

using methods::RequantizeTask;
using steps::Interval;

constexpr std::int64_t k8Bits = 255;  // a code less its zero point
constexpr std::int64_t kWide = 1LL << 40;
constexpr double kTiny = 0x1p-70;

/// One input; as many channels as factors.
RequantizeTask sum(std::vector<double> factor, std::vector<double> offset, std::int64_t most) {
  RequantizeTask task;
  task.channels = factor.size();
  task.factor = std::move(factor);
  task.offset = std::move(offset);
  task.sums.assign(task.channels, {-most, most});
  task.codes = {-128, 127};
  task.zero_point = -7;
  return task;
}
/// factor: inputs x channels
RequantizeTask join(std::uint32_t inputs, std::vector<double> factor) {
  RequantizeTask task = sum(std::move(factor), {}, k8Bits);
  task.inputs = inputs;
  task.channels /= inputs;
  task.offset.assign(task.channels, 0.0);
  task.zero_point = 3;
  return task;
}
RequantizeTask rounding(RequantizeTask task, std::uint32_t rule) {
  task.rounding = rule;
  return task;
}

std::vector<NamedTask> made_tasks() {
  RequantizeTask binary = sum({0.25, -0.25, 1}, {0, 0.5, 0}, 1);
  binary.codes = {0, 1};
  binary.zero_point = 0;
  RequantizeTask positive = sum({0.0173, 0.29}, {0.3, -20.75}, 3000);
  for (Interval& s : positive.sums) s.lo = 0;
  positive.codes = {0, 255};
  positive.zero_point = 0;
  RequantizeTask one_code = sum({0.03}, {1.5}, 100);
  one_code.codes = {5, 5};
  return {
      {"powers of two", sum({0x1p-7, 0x1p-3, 1}, {0.5, -4, 0}, 20000), true},
      {"join, powers of two", join(2, {0.5, 0.25, 1, 0.25})},
      {"a sum", sum({0.0123, 0.00317, 0.7}, {-3.25, 0, 12.4}, 20000)},
      {"away", rounding(sum({0.5, 0.25}, {0, 0.125}, 600), QLOOM_ROUND_NEAREST_AWAY), true},
      {"up", rounding(sum({0.5, 0.1}, {0, 0}, 600), QLOOM_ROUND_NEAREST_UP)},
      {"toward zero", rounding(sum({-0.5, 0.1}, {0, 0}, 600), QLOOM_ROUND_TOWARD_ZERO)},
      {"down", rounding(sum({-0.5, 0.1}, {0, 0}, 600), QLOOM_ROUND_TOWARD_NEGATIVE)},
      {"toward positive", rounding(sum({-0.5, 0.1}, {0, 0}, 600), QLOOM_ROUND_TOWARD_POSITIVE)},
      {"negative factors", sum({-0.0123, -0.5, 0.02}, {-3.25, 0.5, 1}, 5000)},
      {"a factor of zero", sum({0, 0.01, 0}, {-17.5, 2, 300}, 5000)},
      {"tiny factors", sum({kTiny, 1e-12, 0.01}, {0, 0, 2}, 5000)},
      {"tiny factors with a bias", sum({kTiny, 1e-12, 0.01}, {40.25, -3, 2}, 5000)},
      {"huge factors", sum({64.5, 300, 1.0}, {0, 600, 0}, 5000)},
      {"one bit", binary},
      {"no negative sum", positive},
      {"one code", one_code},
      {"wide sums", sum({0x1p-34, 1.3e-10}, {0.75, -2}, kWide)},
      {"join of two", join(2, {0.503, 0.91, 0.83, 0.11})},
      {"join of three", join(3, {0.503, -0.25, 0})},
      {"join of nothing", join(2, {0, 0})},
  };
}

std::vector<std::int64_t> numbers_of(const steps::Chain& chain) {
  std::vector<std::int64_t> numbers;
  for (const steps::Step& step : chain) {
    numbers.push_back(static_cast<std::int64_t>(step.op));
    numbers.push_back(static_cast<std::int64_t>(step.rounding));
    numbers.push_back(static_cast<std::int64_t>(step.per_channel));
    numbers.insert(numbers.end(), step.constants.begin(), step.constants.end());
  }
  return numbers;
}

}  // namespace

const std::vector<NamedTask>& requantize_tasks() {
  static const std::vector<NamedTask> all = made_tasks();
  return all;
}

Derived derived(Context& context, registry::Instance& instance, const RequantizeTask& task) {
  Derived made;
  methods::Requantizer driver(std::move(instance));
  try {
    context.call("derive", [&] {
      made.steps = driver.derive(task);
      return true;
    });
  } catch (const registry::Refusal& refusal) {
    made.refusal = fmt::format("status {}: {}", refusal.status(), refusal.what());
  } catch (const RunError& fault) {
    made.fault = fault.what();
  }
  instance = std::move(driver.instance());
  return made;
}

Record exercise_requantizer(Context& context, const Case&, registry::Instance& instance,
                            const Input& input, std::uint64_t) {
  const RequantizeTask* task = nullptr;
  for (const NamedTask& one : requantize_tasks()) {
    if (one.name == input.name) task = &one.task;
  }
  if (task == nullptr) return {};
  const Derived made = derived(context, instance, *task);
  const std::string refusal = made.refusal + made.fault;
  Record record{{"behind", numbers_of(made.steps.behind), refusal}};
  for (const steps::Chain& chain : made.steps.before) {
    record.push_back({"before", numbers_of(chain), refusal});
  }
  return record;
}

}  // namespace qloom::check
