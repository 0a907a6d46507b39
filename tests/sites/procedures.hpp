// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Whole runs with procedures on a small set of arrays.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <unistd.h>

#include "host/data/arrays/array_file.hpp"
#include "host/run/facts.hpp"
#include "host/run/trainer.hpp"
#include "tests/support/bench.hpp"

namespace qloom::test {

namespace fs = std::filesystem;

class Procedures : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("qloom_procedures_" + std::to_string(getpid()));
    fs::create_directories(folder_);
    for (const std::string split : {"train", "test"}) {
      const std::int64_t count = split == "train" ? 48 : 24;
      Tensor images = gaussian({count, 8, 8, 2}, split == "train" ? 21 : 22);
      std::vector<std::int32_t> labels;
      for (std::int64_t i = 0; i < count; ++i) {  // each class has its own bright rows
        labels.push_back(static_cast<std::int32_t>(i % 5));
        for (std::int64_t j = 0; j < 16; ++j) {
          images[static_cast<std::size_t>(i * 128 + i % 5 * 16 + j)] += 2;
        }
      }
      data::write_npy(folder_ / (split + "_images.npy"), images);
      data::write_npy(folder_ / (split + "_labels.npy"), {count}, labels);
    }
  }
  void TearDown() override { fs::remove_all(folder_); }

  /// A trainer with these rules and procedures; `epochs` of training.
  run::Trainer trainer(const Json& rules, const Json& procedures, int epochs,
                       const Json& patch = Json::object()) {
    Json data{{"dataset", "numpy"}, {"batch_size", 16}};
    for (const std::string split : {"train", "test"}) {
      data[split + "_images"] = (folder_ / (split + "_images.npy")).string();
      data[split + "_labels"] = (folder_ / (split + "_labels.npy")).string();
    }
    const Json optimizer{{"learning_rate", 0.05}, {"momentum", 0.5}};
    Json text{
        {"data", data},
        {"procedures", procedures},
        {"stages", Json::array({Json{{"train", {{"epochs", epochs}, {"optimizer", optimizer}}}}})}};
    text.merge_patch(patch);
    return {bench_pipeline(rules, text), registry()};
  }

  /// Runs all stages; `after(trainer)` after each epoch.
  template <class After>
  static void run(run::Trainer& trainer, const After& after) {
    run::Progress progress("test");
    trainer.prepare();
    trainer.run_stages([&] { after(trainer); }, progress);
  }
  static void run(run::Trainer& trainer) {
    run(trainer, [](run::Trainer&) {});
  }

  static std::vector<float> logits(run::Trainer& trainer, bool use_shadows = true) {
    network::Pass pass;
    pass.use_shadows = use_shadows;
    return values(trainer.network().plan.forward(gaussian({10, 8, 8, 2}, 33), pass));
  }

  fs::path folder_;
};

}  // namespace qloom::test
