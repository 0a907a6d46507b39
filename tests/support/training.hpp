// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A model of examples/models trained on random images, one step at a time.
#pragma once

#include <string>
#include <vector>

#include "host/layers/common/losses.hpp"
#include "host/network/network.hpp"
#include "host/placing/placing.hpp"
#include "tests/support/bench.hpp"

namespace qloom::test {

class Training {
 public:
  static constexpr std::int64_t kBatch = 10, kClasses = 10;

  Training(const std::string& model, const Json& rules)
      : pipeline_(bench_pipeline(
            rules, {{"model",
                     {{"inline", nullptr},
                      {"file", QLOOM_SOURCE_DIR "/examples/models/" + model + ".json"}}}})),
        network(network::parse_model(pipeline_.model, pipeline_.model_where, {32, 32, 3}, kClasses),
                registry(), pipeline_.seed),
        batch_(gaussian({kBatch, 32, 32, 3}, 5)),
        dlogits_({kBatch, kClasses}) {
    for (std::int32_t i = 0; i < kBatch; ++i) labels_.push_back(i % kClasses);
    settings_.learning_rate = 0.05;
    settings_.momentum = 0.9;
    network.lower(placing::place(pipeline_, network.graph.model(), registry(), {}));
    network.parameters.initialise(network.graph.model());
  }

  /// run(); returns the logits.
  std::vector<float> step(std::uint64_t step) { return values(run(step)); }
  /// Forward, loss, backward, update.
  const Tensor& run(std::uint64_t step) {
    const network::Pass pass = pass_of(step, true);
    const Tensor& logits = network.plan.forward(batch_, pass);
    layers::softmax_cross_entropy(logits.data(), labels_.data(), kBatch, kClasses, dlogits_.data());
    network.plan.backward(dlogits_);
    network.update(settings_, pass.phase, step);
    return logits;
  }
  std::vector<float> evaluate() { return values(network.plan.forward(batch_, pass_of(0, false))); }

 private:
  [[nodiscard]] static network::Pass pass_of(std::uint64_t step, bool training) {
    network::Pass pass;
    pass.phase = {step, 0, training, 0.05};
    pass.norms_train = training;
    return pass;
  }

  pipeline::Pipeline pipeline_;

 public:
  network::Network network;

 private:
  network::OptimizerSettings settings_;
  Tensor batch_, dlogits_;
  std::vector<std::int32_t> labels_;
};

}  // namespace qloom::test
