// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/methods/requantizer.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "host/tensor/error.hpp"

namespace qloom::methods {
namespace {

using steps::Chain;
using steps::Interval;
using steps::Op;

constexpr std::uint64_t kMostSteps = 64;
constexpr std::uint64_t kMostConstants = std::uint64_t{1} << 26;  // of a step: half a gigabyte

constexpr std::array kOps = {Op::kAdd,   Op::kMultiply,  Op::kShiftLeft, Op::kShiftRight,
                             Op::kClamp, Op::kCount,     Op::kWrap,      Op::kSaturate,
                             Op::kTable, Op::kFloatScale};

/// The answer as the plugin wrote it, without a step that does not have the form of one.
class Answer {
 public:
  Answer(const RequantizeTask& task, const std::vector<qloom_step>& steps)
      : task_(task), steps_(steps) {}

  Requantization read() {
    Requantization made;
    if (task_.inputs > 1) made.before.resize(task_.inputs);
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      const qloom_step& step = steps_[i];
      require_form(step, i + 1);
      Chain& chain = step.input == 0 ? made.behind : made.before[step.input - 1];
      chain.push_back(read(step));
      const std::string fault = steps::fault_of(chain.back(), task_.channels);
      require(fault.empty(), i + 1, "{}: {}", steps::name_of(chain.back().op), fault);
    }
    return made;
  }

 private:
  template <class... Args>
  static void require(bool holds, std::size_t number, fmt::format_string<Args...> text,
                      Args&&... args) {
    if (holds) return;
    throw RunError(
        fmt::format("step {}: {}", number, fmt::format(text, std::forward<Args>(args)...)));
  }
  void require_form(const qloom_step& s, std::size_t number) const {
    require(s.struct_size >= sizeof(qloom_step), number, "struct_size {}, this host needs {}",
            s.struct_size, sizeof(qloom_step));
    require(s.op < kOps.size(), number, "operation {}, expected 0 to {}", s.op, kOps.size() - 1);
    const std::uint32_t inputs = task_.inputs == 1 ? 0 : task_.inputs;
    require(s.input <= inputs, number, "input {}, expected 0 to {}", s.input, inputs);
    if (kOps[s.op] == Op::kShiftRight) {
      require(s.rounding >= QLOOM_ROUND_NEAREST_EVEN && s.rounding <= QLOOM_ROUND_TOWARD_POSITIVE,
              number, "rounding {}, expected 1 to 6, those without random words", s.rounding);
    }
    require(s.groups == 1 || s.groups == task_.channels, number,
            "constants for {} channels, expected 1 or {}", s.groups, task_.channels);
    require(s.per_channel > 0 && s.per_channel <= kMostConstants / s.groups, number,
            "{} constants per channel, expected 1 to {}", s.per_channel, kMostConstants / s.groups);
    const bool is_float = kOps[s.op] == Op::kFloatScale;
    require((s.constants == nullptr) == is_float, number, "its constants are {}",
            is_float ? "there, expected factors" : "NULL");
    require((s.factors != nullptr) == is_float, number, "its factors are {}",
            is_float ? "NULL" : "there, expected constants");
  }
  [[nodiscard]] static steps::Step read(const qloom_step& s) {
    steps::Step step;
    step.op = kOps[s.op];
    if (step.op == Op::kShiftRight) {
      step.rounding = static_cast<steps::Rounding>(s.rounding - QLOOM_ROUND_NEAREST_EVEN);
    }
    step.per_channel = s.per_channel;
    const std::uint64_t size = s.groups * s.per_channel;
    if (step.op == Op::kFloatScale) {
      step.factors.assign(s.factors, s.factors + size);
    } else {
      step.constants.assign(s.constants, s.constants + size);
    }
    return step;
  }

  const RequantizeTask& task_;
  const std::vector<qloom_step>& steps_;
};

/// What comes out of the chain in each channel.
std::vector<Interval> behind(const Chain& chain, const std::vector<Interval>& values,
                             const std::string& of) {
  const steps::Proof proof = steps::prove(chain, values.size(), values);
  if (!proof.holds()) throw RunError(of + proof.fault);
  std::vector<Interval> now = values;
  for (std::uint64_t channel = 0; channel < now.size(); ++channel) {
    for (const steps::Step& step : chain) {
      now[channel] = *steps::behind(step, channel, now[channel]);
    }
  }
  return now;
}

std::vector<Interval> of_input(const RequantizeTask& task, std::uint64_t input) {
  const auto first = task.sums.begin() + static_cast<std::ptrdiff_t>(input * task.channels);
  return {first, first + static_cast<std::ptrdiff_t>(task.channels)};
}

/// a + b in each channel, as the step does it.
void add(std::vector<Interval>& a, const std::vector<Interval>& b) {
  for (std::uint64_t channel = 0; channel < a.size(); ++channel) {
    const auto plus = [&](std::int64_t c) {
      return steps::behind({.op = Op::kAdd, .constants = {c}}, 0, a[channel]);
    };
    const auto low = plus(b[channel].lo), high = plus(b[channel].hi);
    if (!low || !high) {
      throw RunError(
          fmt::format("the sum of the prepared inputs leaves 64 bits in channel {}", channel));
    }
    a[channel] = {low->lo, high->hi};
  }
}

void prove(const RequantizeTask& task, const Requantization& made) {
  std::vector<Interval> sum = of_input(task, 0);
  if (task.inputs > 1) {
    sum.assign(task.channels, {0, 0});
    for (std::uint32_t i = 0; i < task.inputs; ++i) {
      add(sum, behind(made.before[i], of_input(task, i), fmt::format("input {}: ", i + 1)));
    }
  }
  const std::vector<Interval> codes =
      behind(made.behind, sum, task.inputs > 1 ? "behind the sum: " : "");
  for (std::uint64_t channel = 0; channel < task.channels; ++channel) {
    const auto [lo, hi] = codes[channel];
    if (lo >= task.codes.lo && hi <= task.codes.hi) continue;
    throw RunError(fmt::format("channel {}: codes of {} to {}, expected {} to {}", channel, lo, hi,
                               task.codes.lo, task.codes.hi));
  }
}

/// What the caller promises; a fault is the host's.
void require_sound(const RequantizeTask& task) {
  const std::uint64_t all = task.inputs * task.channels;
  const auto is_finite = [](const std::vector<double>& list) {
    for (const double v : list) {
      if (!std::isfinite(v)) return false;
    }
    return true;
  };
  const bool fits = task.inputs > 0 && task.channels > 0 && task.factor.size() == all &&
                    task.sums.size() == all && task.offset.size() == task.channels &&
                    task.codes.lo >= INT32_MIN && task.codes.hi <= INT32_MAX &&
                    task.codes.lo <= task.codes.hi && task.rounding >= QLOOM_ROUND_NEAREST_EVEN &&
                    task.rounding <= QLOOM_ROUND_TOWARD_POSITIVE;
  if (!fits) throw RunError("the task of a requantizer does not fit together");
  if (is_finite(task.factor) && is_finite(task.offset)) return;
  throw RunError("a scale or a bias between two layers is not finite");
}

/// The task with factors that are quotients in float32; offset / factor stays what it is.
RequantizeTask with_float32_factors(RequantizeTask task) {
  if (task.unit.size() != task.factor.size() || task.code_scale == 0) return task;
  for (std::size_t i = 0; i < task.factor.size(); ++i) {
    const double before = task.factor[i];
    task.factor[i] = static_cast<float>(task.unit[i]) / static_cast<float>(task.code_scale);
    if (i < task.channels && before != 0) task.offset[i] *= task.factor[i] / before;
  }
  return task;
}

/// Do the parameters have these values?
bool have(const Json& params, const Json& values) {
  const auto holds = [&params](const auto& entry) {
    return params.contains(entry.key()) && params[entry.key()] == entry.value();
  };
  const auto items = values.items();
  return std::all_of(items.begin(), items.end(), holds);
}

struct Sums {
  std::vector<std::int64_t> lo, hi;
};
Sums ends_of(const std::vector<Interval>& sums) {
  Sums ends;
  for (const Interval sum : sums) {
    ends.lo.push_back(sum.lo);
    ends.hi.push_back(sum.hi);
  }
  return ends;
}

qloom_requantize_task as_written(const RequantizeTask& task, const Sums& ends) {
  qloom_requantize_task out{};
  out.struct_size = sizeof out;
  out.inputs = task.inputs;
  out.channels = task.channels;
  out.factor = task.factor.data();
  out.offset = task.offset.data();
  out.sum_min = ends.lo.data();
  out.sum_max = ends.hi.data();
  out.code_min = static_cast<std::int32_t>(task.codes.lo);
  out.code_max = static_cast<std::int32_t>(task.codes.hi);
  out.zero_point = task.zero_point;
  out.rounding = task.rounding;
  return out;
}

}  // namespace

Requantizer::Requantizer(const registry::Registry& registry, const MethodSpec& spec,
                         const qloom_site* site, std::string place)
    : Driver(create(registry, spec, site), std::move(place)) {
  const Json& manifest = method().manifest;
  wants_float32_ =
      manifest.contains("float32_factor") && have(spec.params, manifest["float32_factor"]);
}

Requantization Requantizer::derive(const RequantizeTask& asked) const {
  const RequantizeTask task = wants_float32_ ? with_float32_factors(asked) : asked;
  const std::string of =
      fmt::format("requantizer \"{}\"{}{}: ", method().id, place().empty() ? "" : " at ", place());
  try {
    require_sound(task);
    const Sums ends = ends_of(task.sums);
    const qloom_requantize_task written = as_written(task, ends);
    std::vector<qloom_step> list(kMostSteps);
    std::uint64_t count = kMostSteps;
    call("derive", [&](qloom_error* error) {
      return instance().ops<qloom_requantizer>().derive(self(), &written, list.data(), &count,
                                                        error);
    });
    if (count > kMostSteps) {
      throw RunError(fmt::format("{} steps, expected at most {}", count, kMostSteps));
    }
    list.resize(count);
    Requantization made = Answer(task, list).read();
    prove(task, made);
    return made;
  } catch (const registry::Refusal&) {
    throw;
  } catch (const RunError& error) {
    throw RunError(of + error.what());
  }
}

std::int64_t code_of(const Requantization& chain, std::uint64_t channel,
                     const std::vector<std::int64_t>& values) {
  if (chain.before.empty()) return steps::apply(chain.behind, channel, values[0]);
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    sum += steps::apply(chain.before[i], channel, values[i]);
  }
  return steps::apply(chain.behind, channel, sum);
}

}  // namespace qloom::methods
