// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// One network under one rule file, trained step by step on random images.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "host/network/network.hpp"
#include "host/pipeline/pipeline.hpp"

namespace qloom::bench {

struct StepperOptions {
  std::string model;              ///< model file
  std::string input = "32x32x3";  ///< height x width x channels
  std::int64_t classes = 10, batch = 128;
};

class Stepper {
 public:
  /// rules: a file with a pipeline's "norm" and "rules".
  Stepper(const StepperOptions& options, const std::string& rules,
          const registry::Registry& registry);

  /// Forward, loss, backward, update.
  void step();
  /// Multiply-adds of the contractions of one step.
  [[nodiscard]] double products() const;

 private:
  pipeline::Pipeline pipeline_;
  network::Network network_;
  network::OptimizerSettings settings_;
  Tensor batch_, gradient_;
  std::vector<std::int32_t> labels_;
  std::uint64_t count_ = 0;
};

}  // namespace qloom::bench
