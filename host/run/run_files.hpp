// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What runs read and what they write, known before they begin.
#pragma once

#include <filesystem>
#include <map>
#include <vector>

#include "host/data/input_file.hpp"
#include "host/pipeline/pipeline.hpp"
#include "host/registry/registry.hpp"

namespace qloom::run {

/// Where the run of the pipeline that this one starts from lies; `shared` as in RunOptions.
[[nodiscard]] std::filesystem::path start_folder(const pipeline::Pipeline& pipeline,
                                                 const std::filesystem::path& folder,
                                                 const std::filesystem::path& shared);

/// What is read when a finished run is opened again.
[[nodiscard]] std::vector<data::InputFile> files_of_run(const std::filesystem::path& folder,
                                                        const pipeline::Pipeline& pipeline);

class RunFiles {
 public:
  explicit RunFiles(const registry::Registry& registry) : registry_(registry) {}

  void add_input(const data::InputFile& input) { inputs_.push_back(input); }
  void add_output(const std::filesystem::path& file) { outputs_.push_back(file); }
  /// A run in its folder, and the runs that it starts from.
  void add_run(pipeline::Pipeline pipeline, std::filesystem::path folder,
               const std::filesystem::path& shared);
  /// InputError where an output would be written over an input.
  void require_inputs_kept() const { data::require_inputs_kept(inputs_, outputs_); }

 private:
  void add_one(const pipeline::Pipeline& pipeline, const std::filesystem::path& folder);

  const registry::Registry& registry_;
  std::vector<data::InputFile> inputs_;
  std::vector<std::filesystem::path> outputs_;
  std::map<std::filesystem::path, pipeline::Pipeline> starts_;  ///< each is read once
};

}  // namespace qloom::run
