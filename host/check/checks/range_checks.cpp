// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What a range estimator says of one group must come from that group, whichever way it is told.
#include <algorithm>

#include "host/check/checks/checks.hpp"
#include "host/check/kinds/record.hpp"
#include "host/kernels/kernels.hpp"

namespace qloom::check {
namespace {

qloom_tensor abi_tensor(const Input& input) {
  const Tensor& x = input.x;
  const std::uint64_t inner = std::max<std::uint64_t>(1, x.size() / (input.outer * input.groups));
  return {x.data(), x.shape().data(), x.shape().size(), x.size(), input.outer, input.groups, inner};
}

/// The ranges, two ends a group; empty when the estimator refuses.
std::vector<double> ends_of(Context& context, const registry::Instance& instance,
                            std::uint64_t groups) {
  return std::get<std::vector<double>>(ranges_now(context, instance, groups).values);
}

/// All values but those of group g, made larger.
Input with_others_changed(const Input& input, std::uint64_t g) {
  Input other = input;
  const std::uint64_t inner = abi_tensor(input).inner;
  for (std::uint64_t i = 0; i < other.x.size(); ++i) {
    if (i / inner % input.groups != g) other.x[i] = 3.0F * other.x[i] + 0.5F;
  }
  return other;
}

}  // namespace

void check_range_groups(Context& context) {
  for (const Case& c : context.accepted()) {
    for (const Input& input : inputs_of("range", context.seed())) {
      if (input.groups == 1) continue;
      for (const std::uint64_t g : {std::uint64_t{0}, input.groups - 1}) {
        context.at("{}, {}, group {}", c.text(), input.name, g);
        registry::Instance one = context.create(c), two = context.create(c);
        static_cast<void>(exercise(context, c, one, input, 0));
        static_cast<void>(exercise(context, c, two, with_others_changed(input, g), 0));
        const std::vector<double> expected = ends_of(context, one, input.groups);
        const std::vector<double> found = ends_of(context, two, input.groups);
        if (found.empty() || expected.empty()) continue;
        for (const std::uint64_t end : {2 * g, 2 * g + 1}) {
          if (found[end] == expected[end]) continue;
          context.find(
              fmt::format("its range ends at {}, with other values in the other groups at "
                          "{}",
                          expected[end], found[end]));
        }
        const std::uint32_t caps = one.ops<qloom_range_estimator>().caps;
        if ((caps & QLOOM_RANGE_IGNORES_VALUES) != 0) continue;
        const std::uint64_t other = input.groups - 1 - g;
        if (found[2 * other] != expected[2 * other]) continue;
        if (found[2 * other + 1] != expected[2 * other + 1]) continue;
        context.find(fmt::format("the range of group {} did not follow its values", other));
      }
    }
  }
}

void check_range_again(Context& context) {
  for (const Case& c : context.accepted()) {
    for (const Input& input : inputs_of("range", context.seed())) {
      context.at("{}, {}, ranges() twice", c.text(), input.name);
      registry::Instance instance = context.create(c);
      static_cast<void>(exercise(context, c, instance, input, 0));
      const data::Arrays before = instance.save();
      const std::vector<double> first = ends_of(context, instance, input.groups);
      const std::string text =
          difference(Values{ends_of(context, instance, input.groups)}, Values{first});
      if (!text.empty()) context.find(text);
      const std::string change = difference(instance.save(), before);
      if (!change.empty()) context.find(fmt::format("ranges() changed the state: {}", change));
    }
  }
}

void check_extremes(Context& context) {
  const qloom_range_context grid{sizeof(qloom_range_context), 4, 1, 0, 16, 1, 0};
  for (const Case& c : context.accepted()) {
    registry::Instance told = context.create(c), seen = context.create(c);
    const auto& ops = told.ops<qloom_range_estimator>();
    if (ops.observe_extremes == nullptr) continue;
    for (const Input& input : inputs_of("range", context.seed())) {
      context.at("{}, {}", c.text(), input.name);
      told = context.create(c);
      seen = context.create(c);
      const qloom_tensor t = abi_tensor(input);
      std::vector<double> lo(t.groups), hi(t.groups);
      std::vector<std::uint64_t> nonfinite(t.groups);
      kernels::table().extremes(&t, lo.data(), hi.data(), nonfinite.data());
      qloom_error error = registry::empty_error();
      for (const registry::Instance* instance : {&told, &seen}) {
        ops.begin(instance->self(), &grid, 0, &error);
        context.call("observe", [&] {
          return instance == &seen
                     ? ops.observe(seen.self(), &t, &error)
                     : ops.observe_extremes(told.self(), lo.data(), hi.data(), t.groups, &error);
        });
        ops.end(instance->self(), 0, &error);
      }
      const std::string text = difference(Values{ends_of(context, told, t.groups)},
                                          Values{ends_of(context, seen, t.groups)});
      if (!text.empty()) context.find(fmt::format("observe_extremes(), not observe(): {}", text));
      const std::string change = difference(told.save(), seen.save());
      if (!change.empty()) context.find(fmt::format("another state than observe(): {}", change));
    }
  }
}

}  // namespace qloom::check
