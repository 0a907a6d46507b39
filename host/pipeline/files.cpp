// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/pipeline/pipeline.hpp"

namespace qloom::pipeline {
namespace {

namespace fs = std::filesystem;

/// The key of "data" that leads to this file.
std::string data_key(const data::Source& source, const fs::path& file) {
  const std::pair<const char*, const fs::path*> keys[] = {
      {"train_images", &source.train_images}, {"train_labels", &source.train_labels},
      {"test_images", &source.test_images},   {"test_labels", &source.test_labels},
      {"train_file", &source.train_file},     {"test_file", &source.test_file}};
  for (const auto& [key, path] : keys) {
    if (*path == file) return std::string("/data/") + key;
  }
  return source.folder.empty() ? "/data/dataset" : "/data/folder";
}

}  // namespace

std::vector<data::InputFile> files_of(const Pipeline& pipeline) {
  const std::string file = pipeline.file.string();
  std::vector<data::InputFile> files{{"pipeline", pipeline.file}};
  const auto add = [&](const char* pointer, const fs::path& path) {
    if (!path.empty()) files.push_back({file + ": " + pointer, path});
  };
  add("/start_from", pipeline.start_from);
  add("/model/file", pipeline.model_file);
  add("/model/weights", pipeline.weights);
  add("/formats", pipeline.formats_file);
  for (const fs::path& path : data::files_of(pipeline.source)) {
    add(data_key(pipeline.source, path).c_str(), path);
  }
  return files;
}

}  // namespace qloom::pipeline
