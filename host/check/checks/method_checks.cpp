// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What holds for a method of any kind.
#include <algorithm>
#include <cfenv>
#include <cmath>
#include <cstdlib>
#include <map>
#include <sstream>

#include <omp.h>

#include "host/check/checks/checks.hpp"
#include "host/check/kinds/record.hpp"
#include "host/check/watch/child.hpp"
#include "host/data/hash.hpp"
#include "host/kernels/kernels.hpp"
#include "host/tensor/error.hpp"
#include "host/tensor/parallel.hpp"

namespace qloom::check {
namespace {

/// body(case, input) for all cases the method accepts and all inputs of its kind.
template <class Body>
void for_all(Context& context, const Body& body) {
  const std::vector<Input> inputs = inputs_of(context.method().kind, context.seed());
  for (const Case& c : context.accepted()) {
    for (const Input& input : inputs) {
      context.at("{}, {}", c.text(), input.name);
      body(c, input);
    }
  }
}

void compare_lines(Context& context, const std::string& found, const std::string& expected,
                   const char* isa) {
  std::istringstream a(found), b(expected);
  std::string line, other;
  while (std::getline(a, line)) {
    if (std::getline(b, other) && line == other) continue;
    context.at("{}", line.substr(0, line.rfind(':')));
    context.find(fmt::format("{} gives other bits than scalar", isa));
  }
}

/// Could an unlimited value be right? Formats with infinities keep them.
bool may_overflow(Context& context, const Case& c) {
  return context.method().kind == "quantizer" &&
         c.grid().value("overflow", Json("saturate")) == "infinity";
}

void check_finite(Context& context, const Entry& entry) {
  std::visit(
      [&](const auto& values) {
        for (std::size_t i = 0; i < values.size(); ++i) {
          if (std::isfinite(static_cast<double>(values[i]))) continue;
          context.find(fmt::format("{}: element {} is {}, expected a finite value", entry.name, i,
                                   values[i]));
          return;
        }
      },
      entry.values);
}

/// A call may have worked on all threads of the host (qloom.parallel/1).
void expect_same_workers(Context& context) {
  const registry::FloatingPointGuard here;
  std::fenv_t right;
  std::fegetenv(&right);
#pragma omp parallel
  {
    const std::string change = here.change();
    if (!change.empty()) context.find(fmt::format("a thread of the host has {}", change));
    std::fesetenv(&right);
  }
}

/// Steps in which the state of the first instance is watched; a fault may wait for a later one.
constexpr std::uint64_t kManyRounds = 8;

}  // namespace

void check_creation(Context& context) {
  if (context.cases().empty()) {
    context.at("{}", context.method().manifest_file.string());
    return context.find(
        "the schema of the parameters allows none of the values it names: give "
        "\"default\"s or \"examples\"");
  }
  bool is_first = true;
  for (const Case& c : context.cases()) {
    context.at("{}", c.text());
    try {
      context.call("create", [&] { return context.create(c).self() != nullptr; });
    } catch (const InputError& e) {  // other combinations may be refused
      if (is_first) return context.find(e.what());
    } catch (const RunError& e) {
      context.find(e.what());
    }
    is_first = false;
  }
}

void check_manifest(Context& context) {
  const Json& manifest = context.method().manifest;
  const Json schema = manifest.value("parameters", Json::object());
  context.at("{}", context.method().manifest_file.string());
  if (!manifest.contains("formula")) context.find("has no \"formula\"");
  const Json properties = schema.value("properties", Json::object());
  for (const auto& [key, property] : properties.items()) {
    if (property.value("description", "").empty()) {
      context.find(fmt::format("parameter \"{}\" has no description", key));
    }
  }
  context.at("{}, with a parameter of no meaning", context.cases().front().text());
  try {
    Json params = context.cases().front().params;
    params["no_such_parameter"] = 1;
    static_cast<void>(context.registry().resolve_parameters(context.method(), params, "check"));
    context.find("takes it, expected \"additionalProperties\": false");
  } catch (const InputError&) {
  }
  for (const Json& example : schema.value("examples", Json::array())) {
    context.at("{}", example.dump());
    try {
      static_cast<void>(
          context.registry().resolve_parameters(context.method(), example, "example"));
    } catch (const InputError& e) {
      context.find(e.what());
    }
  }
  for (const Case& c : context.cases()) {
    context.at("{}", c.text());
    const Json twice =
        context.registry().resolve_parameters(context.method(), c.resolved, "defaults");
    if (twice != c.resolved) context.find("its defaults, given again, lead to other defaults");
  }
}

void check_floating_point(Context& context) {
  const Threads three(3);  // a state may be changed on the threads of [pure] calls alone
  bool is_first = true;
  for_all(context, [&](const Case& c, const Input& input) {
    registry::Instance instance = context.call("create", [&] { return context.create(c); });
    const std::uint64_t rounds = is_first ? kManyRounds : 1;
    is_first = false;
    for (std::uint64_t round = 0; round < rounds; ++round) {
      context.at("{}, {}, step {}", c.text(), input.name, round);
      static_cast<void>(exercise(context, c, instance, input, round));
      expect_same_workers(context);
    }
    const data::Arrays state = context.call("save", [&] { return instance.save(); });
    context.call("load", [&] { instance.load(state, instance.state_version()); });
    if (context.method().kind == "quantizer") {
      const auto& ops = instance.ops<qloom_quantizer>();
      qloom_error error = registry::empty_error();
      if (ops.after_update == nullptr) return;
      context.call("after_update", [&] { return ops.after_update(instance.self(), &error); });
    }
  });
}

void check_allocations(Context& context) {
  const Threads one(1);
  context.watch({.allocations = true});
  for_all(context, [&](const Case& c, const Input& input) {
    static_cast<void>(fresh_record(context, c, input));
  });
}

void check_answers(Context& context) {
  const std::string first = context.cases().front().text();
  for_all(context, [&](const Case& c, const Input& input) {
    if (!input.is_ordinary) return static_cast<void>(fresh_record(context, c, input));
    for (const Entry& entry : fresh_record(context, c, input)) {
      const bool is_internal =
          entry.refusal.starts_with(fmt::format("status {}:", qloom_status{QLOOM_E_INTERNAL}));
      if (!entry.refusal.empty() && (c.text() == first || is_internal)) {
        context.find(fmt::format("{}: {}, expected an answer", entry.name, entry.refusal));
      }
      // Slopes of values near 0 may be larger than float32 holds.
      const bool is_slope = entry.name.find("backward") != entry.name.npos ||
                            entry.name.find("gradient") != entry.name.npos;
      if (!entry.refusal.empty() || may_overflow(context, c)) continue;
      if (!(is_slope && input.is_subnormal)) check_finite(context, entry);
    }
  });
}

void check_repetition(Context& context) {
  for_all(context, [&](const Case& c, const Input& input) {
    const Record once = fresh_record(context, c, input);
    const std::string text = difference(fresh_record(context, c, input), once);
    if (!text.empty()) context.find(fmt::format("a second instance: {}", text));
  });
}

void check_threads(Context& context) {
  const bool has_tiles = context.method().kind == "quantizer" || context.method().kind == "range";
  std::map<std::string, std::uint64_t> expected;
  // Changing their number is what takes time, so it changes seldom and digests are compared.
  bool is_broken = false;
  for (const int count : {1, 2, 7, 16}) {
    const Threads threads(count);
    for_all(context, [&](const Case& c, const Input& input) {
      const bool is_one_tile = has_tiles && input.x.size() <= kTileElements;  // one thread too
      if (is_broken || is_one_tile) return;
      const Record record = fresh_record(context, c, input);
      const std::uint64_t digest = digest_of(record);
      const auto [known, is_new] = expected.emplace(c.text() + "," + input.name, digest);
      if (is_new || known->second == digest) return;
      is_broken = true;
      const Threads one(1);
      const std::string text = difference(record, fresh_record(context, c, input));
      context.find(fmt::format("on {} threads: {}", count,
                               text.empty() ? "other bits than the first time" : text));
    });
  }
}

std::string digests(Context& context) {
  std::string text;
  for_all(context, [&](const Case& c, const Input& input) {
    for (const Entry& entry : fresh_record(context, c, input)) {
      text += fmt::format("{}, {}, {} {}: {}\n", c.text(), input.name, entry.name, entry.refusal,
                          data::digest_text(digest_of({entry})));
    }
  });
  return text;
}

void check_instruction_sets(Context& context) {
  if (context.settings().in_process) {
    return context.skip("one process has one instruction set; QLOOM_ISA chooses it");
  }
  std::string definition, covered;
  for (const kernels::Isa isa : kernels::runnable()) {
    const char* const isa_name = kernels::name(isa);
    context.at("QLOOM_ISA={}", isa_name);
    Child child(
        [&] {
          ::setenv("QLOOM_ISA", isa_name, 1);
          if (kernels::table().isa != static_cast<std::uint32_t>(isa)) {
            throw RunError(
                fmt::format("this process has chosen {} before", kernels::table().isa_name));
          }
          return digests(context);
        },
        context.settings().seconds);
    child.wait();
    const Ended ended = child.ended();
    if (!ended.fault.empty()) {
      return context.find(fmt::format("ended by {}: {}", ended.fault, ended.words));
    }
    covered += (covered.empty() ? "" : ", ") + std::string(isa_name);
    if (isa == kernels::Isa::kScalar) {
      definition = ended.text;
    } else {
      compare_lines(context, ended.text, definition, isa_name);
    }
  }
  context.remark(covered);
}

}  // namespace qloom::check
