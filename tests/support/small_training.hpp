// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include <nlohmann/json.hpp>

namespace qloom::test {

/// WAGE 2-8-8-8 on few images of Fashion-MNIST: 7 steps an epoch, the last one with 8 of 32
/// samples; the rate falls in the third epoch of three.
inline nlohmann::json small_training() {
  return nlohmann::json::parse(R"({"name": "small",
    "data": {"dataset": "fashion-mnist", "batch_size": 32, "train_limit": 200, "test_limit": 64,
             "normalisation": "symmetric"},
    "model": {"inline": {"layers": [
      {"name": "c1", "type": "conv", "filters": 6, "kernel": 5, "stride": 3, "padding": "same",
       "bias": false},
      {"name": "n1", "type": "norm"}, {"name": "r1", "type": "relu"},
      {"name": "c2", "type": "conv", "filters": 6, "kernel": 3, "padding": "same", "groups": 2,
       "bias": false},
      {"name": "n2", "type": "norm"}, {"name": "r2", "type": "relu"},
      {"name": "p2", "type": "max_pool", "kernel": 3, "stride": 2},
      {"name": "d", "type": "dense", "units": "classes", "bias": false},
      {"name": "n3", "type": "norm"}]}},
    "norm": {"plugin": "const_scale", "divisor": "wage", "init_gain": 3},
    "rules": [
      {"site": "weight", "quantizer": {"plugin": "wage", "bits": 2}},
      {"site": ["input", "activation"], "quantizer": {"plugin": "wage", "bits": 8}},
      {"site": "error", "quantizer": {"plugin": "wage", "part": "error", "bits": 8}},
      {"site": "gradient", "quantizer": {"plugin": "wage", "bits": 8, "learning_rate": 8,
        "learning_rate_steps": [{"epoch": 2, "learning_rate": 0.5}]}}],
    "procedures": [{"plugin": "wage_training", "init_gain": 3}],
    "stages": [{"train": {"epochs": 3, "loss": "sum_of_squares",
      "optimizer": {"type": "sgd", "learning_rate": 1.0, "momentum": 0.0}}}, {"evaluate": {}}]})");
}

/// The same with gradients that a rule of its own rounds.
inline nlohmann::json small_training_rounded_by(const nlohmann::json& rounding) {
  nlohmann::json pipeline = small_training();
  pipeline["rules"][3]["quantizer"]["rounding"] = "rule";
  pipeline["rules"][3]["rounding"] = rounding;
  return pipeline;
}

}  // namespace qloom::test
