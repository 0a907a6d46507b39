// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A pipeline that takes a moment: a small network on two classes that a line separates.
#pragma once

#include <string>
#include <vector>

#include "host/data/arrays/array_file.hpp"
#include "host/tensor/random.hpp"
#include "tests/support/program.hpp"

namespace qloom::test {

/// The test's folder holds p.json, train.npz and test.npz.
class SmallRun : public Program {
 protected:
  void SetUp() override {
    Program::SetUp();
    write_samples("train.npz", 256, 1);
    write_samples("test.npz", 64, 2);
    write("p.json", R"({"name": "small", "data": {"dataset": "numpy", "train_file": "train.npz",
        "test_file": "test.npz", "batch_size": 16}, "model": {"inline": {"layers": [
          {"name": "d", "type": "dense", "units": 8, "bias": false}, {"name": "n", "type": "norm"},
          {"name": "r", "type": "relu"}, {"name": "e", "type": "dense", "units": "classes"}]}},
        "rules": [{"site": ["weight", "activation"], "quantizer": {"plugin": "affine", "bits": 8}}],
        "stages": [{"train": {"epochs": 2}}, {"evaluate": {}}]})");
  }
  /// Points of a square; the class says on which side of its diagonal they lie.
  void write_samples(const std::string& name, std::int64_t count, std::uint64_t seed) const {
    std::vector<float> images;
    std::vector<std::int64_t> labels;
    for (std::int64_t i = 0; i < count; ++i) {
      const auto index = static_cast<std::uint64_t>(2 * i);
      const float a = 2.0F * uniform(random_word(seed, 0, 0, index)) - 1.0F;
      const float b = 2.0F * uniform(random_word(seed, 0, 0, index + 1)) - 1.0F;
      images.insert(images.end(), {a, b});
      labels.push_back(a > b ? 1 : 0);
    }
    data::write_npz(folder_ / name,
                    {{"images", {{count, 2}, images}}, {"labels", {{count}, labels}}});
  }
  [[nodiscard]] std::string text(const std::string& name) const {
    return data::read_text(folder_ / name);
  }
};

}  // namespace qloom::test
