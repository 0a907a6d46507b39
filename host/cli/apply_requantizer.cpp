// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "host/cli/apply.hpp"
#include "host/cli/channel_axis.hpp"
#include "host/cli/json_array.hpp"
#include "host/data/arrays/array_reader.hpp"
#include "host/methods/requantizer.hpp"
#include "host/methods/rounding.hpp"
#include "host/tensor/error.hpp"

namespace qloom::cli {
namespace {

/// Largest magnitude of an integer in an array of float32.
constexpr std::int64_t kMost = std::int64_t{1} << 24;

/// One number of 32 bits in place of what a quantizer would say.
std::int32_t given_code(const Given& given, const std::string& name, std::int32_t otherwise) {
  if (!given.has(name)) return otherwise;
  const double code = given.numbers("/" + name, 1)[0];
  const bool fits = code >= std::numeric_limits<std::int32_t>::min() &&
                    code <= std::numeric_limits<std::int32_t>::max();
  if (!fits || code != std::nearbyint(code)) given.refuse("/" + name, "an integer of 32 bits");
  return static_cast<std::int32_t>(code);
}

methods::RequantizeTask task_of(const Given& given, std::size_t channels) {
  given.require_known({"factor", "offset", "zero_point", "code_min", "code_max"});
  methods::RequantizeTask task;
  task.channels = channels;
  task.factor = given.numbers("/factor", channels);
  task.offset =
      given.has("offset") ? given.numbers("/offset", channels) : std::vector<double>(channels, 0.0);
  task.sums.assign(channels, {-kMost, kMost});
  task.zero_point = given_code(given, "zero_point", 0);
  task.codes = {given_code(given, "code_min", -128), given_code(given, "code_max", 127)};
  if (task.codes.lo > task.codes.hi) {
    given.refuse("/code_min", fmt::format("at most code_max, {}", task.codes.hi));
  }
  return task;
}

/// Of the rule: nearest even where it names none.
std::uint32_t rounding_of(const pipeline::Rule& rule, const registry::Registry& registry) {
  if (!rule.body.contains("rounding")) return QLOOM_ROUND_NEAREST_EVEN;
  const std::string where = rule.where + "/rounding";
  const methods::Rounding rounding(methods::create(
      registry, methods::resolve(registry, "rounding", rule.body.at("rounding"), where)));
  const std::uint32_t mode = rounding.ref().rule;
  if (mode >= QLOOM_ROUND_NEAREST_EVEN && mode <= QLOOM_ROUND_TOWARD_POSITIVE) return mode;
  throw InputError(where +
                   ": integer steps round by a fixed rule, expected one without random "
                   "words such as \"nearest_even\"");
}

/// The sum at a place of the input.
std::int64_t sum_at(const Tensor& x, std::size_t i) {
  const double sum = x[i];
  if (sum == std::nearbyint(sum) && std::fabs(sum) <= static_cast<double>(kMost)) {
    return static_cast<std::int64_t>(sum);
  }
  throw InputError(
      fmt::format("--input: element {} is {}, but a requantizer takes integer sums: "
                  "expected whole numbers from -{} to {}",
                  data::index_text(x.shape(), i), x[i], kMost, kMost));
}

/// InputError where the method says that it has no steps for these numbers.
methods::Requantization steps_of(const methods::Requantizer& requantizer,
                                 const methods::RequantizeTask& task) {
  try {
    return requantizer.derive(task);
  } catch (const registry::Refusal& refusal) {
    if (refusal.status() != QLOOM_E_UNSUPPORTED && refusal.status() != QLOOM_E_INVALID) throw;
    throw InputError(refusal.what());
  }
}

}  // namespace

Result apply_requantizer(const pipeline::Rule& rule, const registry::Registry& registry,
                         const Request& in) {
  const std::string where = rule.where + "/requantizer";
  if (in.wants_encoding || in.dy) {
    throw InputError(where + ": a requantizer has no encoding and no gradient");
  }
  const ChannelAxis axis(in.x.shape(), in.channel_axis);
  methods::RequantizeTask task = task_of(in.given, axis.channels);
  task.rounding = rounding_of(rule, registry);
  const methods::Requantizer requantizer(
      registry, methods::resolve(registry, "requantizer", rule.body["requantizer"], where));
  Result out;
  out.y.resize(in.x.shape());
  if (in.x.empty()) return out;
  const methods::Requantization steps = steps_of(requantizer, task);
  for (std::size_t i = 0; i < in.x.size(); ++i) {
    const std::uint64_t channel = i / axis.inner % axis.channels;
    const std::int64_t code = methods::code_of(steps, channel, {sum_at(in.x, i)});
    out.codes.push_back(static_cast<std::int32_t>(code));
    out.y[i] = static_cast<float>(code);
  }
  return out;
}

}  // namespace qloom::cli
