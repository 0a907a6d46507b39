// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Memory that a method keeps, and memory that it may not write to.
#include <utility>

#include "host/check/checks/checks.hpp"
#include "host/check/kinds/norm.hpp"
#include "host/check/kinds/quantizer.hpp"
#include "host/check/kinds/record.hpp"
#include "host/check/watch/memory.hpp"
#include "host/tensor/error.hpp"

namespace qloom::check {
namespace {

constexpr int kWarm = 3, kRounds = 16;
constexpr std::size_t kMostMemoryCases = 6;  // of the parameters: the plainest
// A list with an entry for each step may grow by its entries, not by tensors.
constexpr std::int64_t kMostBytes = 4096;

/// The smallest input that has more than one group where the kind has groups.
Input small_input(const Context& context) {
  std::vector<Input> inputs = inputs_of(context.method().kind, context.seed());
  for (Input& input : inputs) {
    if (input.groups > 1) return std::move(input);
  }
  return std::move(inputs.front());
}

/// body(round) again and again: does what is kept grow with every round?
template <class Body>
void expect_no_growth(Context& context, const char* what, const Body& body) {
  for (int i = 0; i < kWarm; ++i) body(static_cast<std::uint64_t>(i));
  const MemoryCounts before = memory_counts();
  for (int i = kWarm; i < kWarm + kRounds; ++i) body(static_cast<std::uint64_t>(i));
  const MemoryCounts after = memory_counts();
  const std::int64_t blocks = after.blocks - before.blocks, bytes = after.bytes - before.bytes;
  if (blocks < kRounds / 2 && bytes <= kMostBytes) return;
  context.find(fmt::format("{} {} times keeps {} more blocks of memory, {} bytes", what, kRounds,
                           blocks, bytes));
}

/// What the host does with a whole life of an instance, refusals included.
void live_once(Context& context, const Case& c, const Input& input, std::uint64_t round) {
  registry::Instance instance = context.create(c);
  static_cast<void>(exercise(context, c, instance, input, round % 2));
  const data::Arrays state = instance.save();
  instance.load(state, instance.state_version());
  data::Arrays wrong = state;
  for (auto& [key, array] : wrong) array = {{1}, std::vector<std::uint8_t>{1}};
  try {
    instance.load(wrong, instance.state_version());
  } catch (const RunError&) {  // refused
  }
}

}  // namespace

void check_leaks(Context& context) {
  const Threads one(1);
  const Input input = small_input(context);
  std::vector<Case> cases = context.accepted();
  if (cases.size() > kMostMemoryCases) cases.resize(kMostMemoryCases);
  for (const Case& c : cases) {
    context.at("{}, {}, one instance", c.text(), input.name);
    registry::Instance instance = context.create(c);
    expect_no_growth(context, "a step", [&](std::uint64_t round) {
      static_cast<void>(exercise(context, c, instance, input, round));
    });
    context.at("{}, {}, new instances", c.text(), input.name);
    expect_no_growth(context, "creating, using, saving, loading and destroying an instance",
                     [&](std::uint64_t round) { live_once(context, c, input, round); });
  }
}

void check_pure(Context& context) {
  if (!apart::is_possible()) return context.skip("not in a sanitized program");
  const Threads one(1);
  const Input input = small_input(context);
  for (const Case& c : context.accepted()) {
    context.at("{}, {}", c.text(), input.name);
    static_cast<void>(fresh_record(context, c, input));  // what the host keeps is made here
    context.watch({.writes = true});
    // An instance that has learned and one that has not: its first calls may fill what is missing.
    registry::Instance instance = context.call("create", [&] { return context.create(c); });
    for (std::uint64_t round = 0; round < 2; ++round) {
      static_cast<void>(exercise(context, c, instance, input, round));
    }
    context.watch({});
  }
}

}  // namespace qloom::check
