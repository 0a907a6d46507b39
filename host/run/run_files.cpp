// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/run/run_files.hpp"

#include <utility>

#include <fmt/format.h>

namespace qloom::run {
namespace fs = std::filesystem;

fs::path start_folder(const pipeline::Pipeline& pipeline, const fs::path& folder,
                      const fs::path& shared) {
  return shared.empty()
             ? folder / "start_from"
             : shared / pipeline.start_from.stem() / fmt::format("seed_{}", pipeline.seed);
}

std::vector<data::InputFile> files_of_run(const fs::path& folder,
                                          const pipeline::Pipeline& pipeline) {
  std::vector<data::InputFile> files = pipeline::files_of(pipeline);
  for (const char* name : {"report.json", "checkpoint.npz"})
    files.push_back({"run", folder / name});
  return files;
}

void RunFiles::add_run(pipeline::Pipeline pipeline, fs::path folder, const fs::path& shared) {
  add_one(pipeline, folder);
  while (!pipeline.start_from.empty()) {
    const fs::path& file = pipeline.start_from;
    auto start = starts_.find(file);
    if (start == starts_.end()) {
      start = starts_.emplace(file, pipeline::load(file, {}, registry_)).first;
    }
    folder = start_folder(pipeline, folder, shared);
    pipeline = pipeline::with_seed(start->second, pipeline.seed);
    add_one(pipeline, folder);
  }
}

void RunFiles::add_one(const pipeline::Pipeline& pipeline, const fs::path& folder) {
  for (const data::InputFile& input : pipeline::files_of(pipeline)) add_input(input);
  for (const char* name : {"report.json", "report.html", "checkpoint.npz", ".qloom-claim"}) {
    add_output(folder / name);
  }
}

}  // namespace qloom::run
