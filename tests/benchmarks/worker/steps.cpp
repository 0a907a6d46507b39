// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Whole training steps, and the loading of one method.
#include <memory>

#include "tests/benchmarks/stepper.hpp"
#include "tests/benchmarks/worker/cases.hpp"

namespace qloom::bench {
namespace {

Case step(const Json& params) {
  StepperOptions options;
  options.model = params.at("model");
  options.input = params.at("input");
  options.batch = params.value("batch", options.batch);
  auto stepper =
      std::make_shared<Stepper>(options, params.at("rules").get<std::string>(), plugins());
  return {[stepper] { stepper->step(); }, stepper->products()};
}

/// The first run loads, checks and creates; the manifests are read before.
Case load_plugin(const Json& params) {
  const auto& method =
      plugins().require(params.at("kind"), params.at("id").get<std::string>(), "benchmark");
  const Json resolved = plugins().resolve_parameters(method, Json::object(), "benchmark");
  const auto run = [&method, resolved] {
    const registry::Instance instance = plugins().create(method, resolved);
  };
  return {run, 1};
}

}  // namespace

void add_steps(Cases& cases) {
  cases["step"] = step;
  cases["load_plugin"] = load_plugin;
}

}  // namespace qloom::bench
