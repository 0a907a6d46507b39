// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What a method keeps in a checkpoint: it goes on where it was, and wrong state does no harm.
#include <algorithm>
#include <cstring>

#include "host/check/checks/checks.hpp"
#include "host/check/kinds/norm.hpp"
#include "host/check/kinds/quantizer.hpp"
#include "host/check/kinds/record.hpp"
#include "host/tensor/error.hpp"
#include "host/tensor/random.hpp"

namespace qloom::check {
namespace {

/// The first few inputs are enough: state is about shapes, not about values. Those in groups are
/// among them.
std::vector<Input> few_inputs(const Context& context) {
  std::vector<Input> few;
  for (Input& input : inputs_of(context.method().kind, context.seed())) {
    if (few.size() < 3 || input.groups > 1) few.push_back(std::move(input));
  }
  return few;
}

/// What training does between two steps: learned values leave the place where they began.
void move_learned(Context& context, const Case& c, registry::Instance& instance,
                  const Input& input) {
  if (context.method().kind != "quantizer") return;
  QuantizerDriver driver(context, c, instance, input.x, input.channel_axis);
  static_cast<void>(driver.move_learned());
}

/// A new instance, told what it is for where its kind wants that.
registry::Instance begun(Context& context, const Case& c, const Input* input) {
  registry::Instance instance = context.create(c);
  if (input != nullptr && context.method().kind == "norm") {
    static_cast<void>(NormDriver(context, instance, input->x).begin());
  }
  return instance;
}

/// An instance after a round on that input, its learned values moved.
registry::Instance used_on(Context& context, const Case& c, const Input& input) {
  registry::Instance used = context.create(c);
  static_cast<void>(exercise(context, c, used, input, 0));
  move_learned(context, c, used, input);
  return used;
}

/// body(case, input, instance after a round on that input)
template <class Body>
void for_used(Context& context, const Body& body) {
  for (const Case& c : context.accepted()) {
    for (const Input& input : few_inputs(context)) {
      context.at("{}, {}", c.text(), input.name);
      registry::Instance used = used_on(context, c, input);
      if (!used.has_state()) return context.skip("keeps no state");
      body(c, input, used);
    }
  }
}

/// The instance after a load that may be refused: unchanged then; otherwise it can be used.
void try_load(Context& context, const Case& c, const Input& input, const data::Arrays& state,
              std::uint32_t version) {
  registry::Instance instance = begun(context, c, &input);
  const data::Arrays before = instance.save();
  try {
    instance.load(state, version);
  } catch (const RunError&) {
    const std::string text = difference(instance.save(), before);
    if (!text.empty()) context.find(fmt::format("changed although it refused the state: {}", text));
    return;
  }
  try {
    static_cast<void>(instance.save());
  } catch (const RunError& e) {
    context.find(fmt::format("took the state, but cannot save it: {}", e.what()));
  }
  // A run that only evaluates asks at once.
  if (context.method().kind == "range") {
    static_cast<void>(ranges_now(context, instance, input.groups));
  } else if (context.method().kind == "norm") {
    static_cast<void>(NormDriver(context, instance, input.x).inference());
  }
  static_cast<void>(exercise(context, c, instance, input, 1));
}

void fill_randomly(Values& values, std::uint64_t seed) {
  std::visit(
      [&](auto& list) {
        auto* bytes = reinterpret_cast<unsigned char*>(list.data());
        const std::size_t n = list.size() * sizeof(list[0]);
        for (std::size_t i = 0; i < n; ++i) {
          bytes[i] = static_cast<unsigned char>(random_word(seed, stream_id("check/state"), 0, i));
        }
      },
      values);
}

void resize(data::Array& array, std::size_t n) {
  std::visit([&](auto& list) { list.resize(n); }, array.values);
  array.shape = {static_cast<std::int64_t>(n)};
}

std::size_t size_of(const data::Array& array) {
  return std::visit([](const auto& list) { return list.size(); }, array.values);
}

Record later_rounds(Context& context, const Case& c, registry::Instance& instance,
                    const Input& input) {
  Record record = exercise(context, c, instance, input, 1);
  append(record, exercise(context, c, instance, input, kLastRound));
  return record;
}

/// The state is taken by `instance`, which then has it and goes on as expected.
void check_loaded(Context& context, const Case& c, const Input& input, registry::Instance& instance,
                  const data::Arrays& state, const Record& expected) {
  try {
    instance.load(state, instance.state_version());
  } catch (const RunError& e) {
    return context.find(fmt::format("refuses what it saved itself: {}", e.what()));
  }
  std::string text = difference(instance.save(), state);
  if (!text.empty()) context.find(fmt::format("saved, loaded and saved again: {}", text));
  text = difference(later_rounds(context, c, instance, input), expected);
  if (!text.empty()) context.find(fmt::format("goes on differently after a load: {}", text));
}

}  // namespace

void check_state(Context& context) {
  for (const Case& c : context.accepted()) {
    context.at("{}, a new instance", c.text());
    const registry::Instance fresh = context.create(c);
    registry::Instance loaded = context.create(c);
    loaded.load({}, loaded.state_version());
    const std::string text = difference(loaded.save(), fresh.save());
    if (!text.empty()) context.find(fmt::format("after loading nothing: {}", text));
  }
  for_used(context, [&](const Case& c, const Input& input, registry::Instance& used) {
    const data::Arrays state = used.save();
    std::string text = difference(used.save(), state);
    if (!text.empty()) context.find(fmt::format("saved twice: {}", text));
    registry::Instance never_saved = used_on(context, c, input);
    const Record expected = later_rounds(context, c, never_saved, input);
    text = difference(later_rounds(context, c, used, input), expected);
    if (!text.empty())
      context.find(fmt::format("goes on differently after it was saved: {}", text));
    registry::Instance begun_one = begun(context, c, &input);
    check_loaded(context, c, input, begun_one, state, expected);
    registry::Instance other = context.create(c);
    Input elsewhere = input;
    elsewhere.x = scaled(input.x, -2.0F);
    static_cast<void>(exercise(context, c, other, elsewhere, 0));
    context.at("{}, {}, loaded into an instance that was used", c.text(), input.name);
    check_loaded(context, c, input, other, state, expected);
  });
}

void check_state_versions(Context& context) {
  for (const Case& c : context.accepted()) {
    context.at("{}", c.text());
    registry::Instance instance = context.create(c);
    if (!instance.has_state()) return context.skip("keeps no state");
    const data::Arrays before = instance.save();
    for (std::uint32_t version = 1; version < instance.state_version(); ++version) {
      try {
        instance.load({}, version);
      } catch (const RunError& e) {
        context.find(fmt::format("refuses state of its version {}: {}", version, e.what()));
      }
    }
    try {
      instance.load(before, instance.state_version() + 1);
      context.find(fmt::format("took state of version {}, it knows versions up to {}",
                               instance.state_version() + 1, instance.state_version()));
    } catch (const RunError&) {
      const std::string text = difference(instance.save(), before);
      if (!text.empty()) context.find(fmt::format("changed by state that it refused: {}", text));
    }
  }
}

void check_wrong_state(Context& context) {
  for_used(context, [&](const Case& c, const Input& input, registry::Instance& used) {
    const data::Arrays state = used.save();
    const std::uint32_t version = used.state_version();
    data::Arrays all = state;
    std::uint64_t seed = context.seed();
    for (auto& [key, array] : all) fill_randomly(array.values, ++seed);
    context.at("{}, {}, all arrays random", c.text(), input.name);
    try_load(context, c, input, all, version);
    context.at("{}, {}, one value in each array", c.text(), input.name);
    data::Arrays short_ones = state;
    for (auto& [key, array] : short_ones) resize(array, 1);
    try_load(context, c, input, short_ones, version);
    for (const auto& [key, array] : state) {
      const std::string place = fmt::format("{}, {}, \"{}\"", c.text(), input.name, key);
      data::Arrays wrong = state;
      const std::size_t n = size_of(array);
      for (const std::size_t size : {std::size_t{0}, n + 1, n / 2}) {
        context.at("{} of {} values instead of {}", place, size, n);
        wrong[key] = array;
        resize(wrong[key], size);
        try_load(context, c, input, wrong, version);
      }
      context.at("{} random", place);
      wrong[key] = array;
      fill_randomly(wrong[key].values, ++seed);
      try_load(context, c, input, wrong, version);
      context.at("{} of another type", place);
      wrong[key] = {{1}, std::vector<std::uint8_t>{1}};
      try_load(context, c, input, wrong, version);
      context.at("{} missing", place);
      wrong.erase(key);
      try_load(context, c, input, wrong, version);
    }
  });
}

}  // namespace qloom::check
