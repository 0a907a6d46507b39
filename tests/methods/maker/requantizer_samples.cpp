// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// requantizer_samples FIRST COUNT: random tasks for every requantizer, and codes of some values. A
// line is a JSON object; doubles are text in hexadecimal, so that none is rounded.
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tests/support/random_chain.hpp"
#include "tests/support/requantizer_harness.hpp"

namespace {

using namespace qloom;
using namespace qloom::test;

struct Subject {
  const char *id, *params;
};
constexpr Subject kSubjects[] = {
    {"multiplier", R"({"preset": "tflite_reference"})"},
    {"multiplier", R"({"preset": "ruy"})"},
    {"multiplier", R"({"preset": "cmsis_nn_single"})"},
    {"multiplier", R"({"preset": "dory"})"},
    {"multiplier", R"({"preset": "dory", "bits": 8})"},
    {"multiplier", "{}"},
    {"multiplier", R"({"bits": 16, "bias_scale": "sum"})"},
    {"multiplier", R"({"bits": 5, "rounding": "double_away"})"},
    {"multiplier", R"({"bits": 12, "rounding": "double_up", "bias_scale": "sum"})"},
    {"shift", "{}"},
    {"shift", R"({"bias_scale": "sum"})"},
    {"thresholds", "{}"},
    {"float_scale", R"({"preset": "onnxruntime"})"},
    {"float_scale", R"({"preset": "xnnpack"})"},
};

/// A factor of any sign: a power of two, one of few bits, so that ties come up, or of all bits.
double random_factor(Dice& dice, bool is_power) {
  const double sign = dice.once_in(5) ? -1 : 1;
  if (dice.once_in(20)) return 0;
  const int bits = is_power ? 1 : dice.once_in(2) ? dice.small(2, 6) : 53;
  const std::int64_t high = std::int64_t{1} << (bits - 1);
  const double f = static_cast<double>(high + (bits > 1 ? dice.in(0, high - 1) : 0));
  return sign * std::ldexp(f, -bits - dice.small(-2, dice.once_in(10) ? 60 : 16));
}

RequantizeTask random_task(Dice& dice, const std::string& id) {
  RequantizeTask task;
  task.inputs =
      id == "float_scale" || dice.once_in(2) ? 1U : static_cast<std::uint32_t>(dice.in(2, 3));
  task.channels = static_cast<std::uint64_t>(dice.in(1, 3));
  const int bits = task.inputs > 1 ? 8 : dice.small(1, 32);
  for (std::uint64_t i = 0; i < task.inputs * task.channels; ++i) {
    task.factor.push_back(random_factor(dice, id == "shift"));
    const std::int64_t lo = -dice.of_bits(bits), hi = dice.of_bits(bits);
    task.sums.push_back({std::min<std::int64_t>({lo, hi, 0}), std::max<std::int64_t>({lo, hi, 0})});
  }
  for (std::uint64_t c = 0; c < task.channels; ++c) {
    const double halves = static_cast<double>(dice.in(-300, 300)) / 2;
    const double real = static_cast<double>(dice.of_bits(53)) * std::ldexp(1.0, -46);
    task.offset.push_back(dice.once_in(3) ? 0 : dice.once_in(2) ? halves : real);
  }
  const int width = dice.small(1, 8);
  task.codes.lo = dice.once_in(2) ? 0 : -(std::int64_t{1} << (width - 1));
  task.codes.hi = task.codes.lo + (std::int64_t{1} << width) - 1;
  task.zero_point = dice.once_in(2) ? 0 : dice.small(-40, 40);
  task.rounding = static_cast<std::uint32_t>(dice.in(1, 6));
  return task;
}

std::string hexadecimal(const std::vector<double>& list) {
  std::string text;
  for (const double v : list) text += fmt::format("{}\"{:a}\"", text.empty() ? "" : ", ", v);
  return "[" + text + "]";
}

/// Ends, values near the ties of codes, others.
std::int64_t random_value(Dice& dice, const RequantizeTask& task, std::uint64_t i) {
  const auto [lo, hi] = task.sums[i];
  const double factor = task.factor[i];
  const double tie =
      (static_cast<double>(dice.in(-300, 300)) / 2 - task.offset[i % task.channels]) /
      (factor == 0 ? 1 : factor);
  if (dice.once_in(4) || !(std::fabs(tie) < 0x1p40)) return dice.edge(lo, hi);
  return std::clamp(std::llround(tie) + dice.in(-1, 1), static_cast<long long>(lo),
                    static_cast<long long>(hi));
}

void print_samples(Dice& dice, const RequantizeTask& task, const Requantization& made) {
  for (std::uint64_t c = 0; c < task.channels; ++c) {
    for (int k = 0; k < 40; ++k) {
      std::vector<std::int64_t> values;
      for (std::uint32_t n = 0; n < task.inputs; ++n) {
        values.push_back(random_value(dice, task, n * task.channels + c));
      }
      std::cout << fmt::format("{}[{}, [{}], {}]",
                               c + static_cast<std::uint64_t>(k) == 0 ? "" : ", ", c,
                               fmt::join(values, ", "), code_of(made, c, values));
    }
  }
}

void print(Dice& dice, const Subject& subject) {
  const RequantizeTask task = random_task(dice, subject.id);
  std::vector<std::int64_t> lo, hi;
  for (const steps::Interval sum : task.sums) {
    lo.push_back(sum.lo);
    hi.push_back(sum.hi);
  }
  const registry::Method* method = test::registry().find("requantizer", subject.id);
  const Json params = test::registry().resolve_parameters(*method, Json::parse(subject.params), "");
  std::cout << fmt::format(
      R"({{"id": "{}", "params": {}, "inputs": {}, "channels": {}, "factor": {}, "offset": {}, )"
      R"("sum_min": [{}], "sum_max": [{}], "code_min": {}, "code_max": {}, "zero_point": {}, )"
      R"("rounding": {}, )",
      subject.id, params.dump(), task.inputs, task.channels, hexadecimal(task.factor),
      hexadecimal(task.offset), fmt::join(lo, ", "), fmt::join(hi, ", "), task.codes.lo,
      task.codes.hi, task.zero_point, task.rounding);
  try {
    const Requantization made = derive(subject.id, subject.params, task);
    std::cout << "\"samples\": [";
    print_samples(dice, task, made);
    std::cout << "]}\n";
  } catch (const registry::Refusal& refusal) {
    std::cout << fmt::format("\"refusal\": {}}}\n", Json(refusal.what()).dump());
  }
}

}  // namespace

int main(int count, char** words) {
  if (count != 3) return EXIT_FAILURE;
  try {
    const std::uint64_t first = std::stoull(words[1]), all = std::stoull(words[2]);
    for (std::uint64_t seed = first; seed < first + all; ++seed) {
      Dice dice(seed);
      for (const Subject& subject : kSubjects) print(dice, subject);
    }
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}
