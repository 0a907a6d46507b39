// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A run that is over, opened again: its network as its last evaluation saw it.
#pragma once

#include <filesystem>

#include "host/run/trainer.hpp"

namespace qloom::run {

/// The pipeline of a run's folder, its data as they were. `pipeline_file`: where it lies now;
/// empty: where it lay. InputError when the folder holds no report, or pipeline or data are others
/// now.
[[nodiscard]] pipeline::Pipeline pipeline_of(const std::filesystem::path& folder,
                                             const std::filesystem::path& pipeline_file,
                                             const registry::Registry& registry);

class Finished {
 public:
  /// Reads the folder's report and checkpoint. `pipeline_file`: where the run's pipeline lies now;
  /// empty: where it lay. InputError when the folder holds no finished run, or the pipeline's model
  /// or data are others now.
  Finished(const std::filesystem::path& folder, const std::filesystem::path& pipeline_file,
           const registry::Registry& registry);

  [[nodiscard]] network::Network& network() { return trainer_.network(); }
  [[nodiscard]] const Batches& batches() const { return trainer_.setup().batches; }
  [[nodiscard]] const pipeline::Pipeline& pipeline() const { return trainer_.setup().pipeline; }
  /// The pass in which evaluation sees test batch i.
  [[nodiscard]] network::Pass evaluation(std::uint64_t i) const;

 private:
  Trainer trainer_;
};

}  // namespace qloom::run
