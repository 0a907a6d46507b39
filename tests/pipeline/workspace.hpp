// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A folder with a few manifests and files, so that pipelines can be checked without a plugin.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "host/pipeline/pipeline.hpp"
#include "host/tensor/error.hpp"

namespace qloom::test {

using pipeline::Json;

class Workspace : public testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override { std::filesystem::remove_all(folder_); }

  /// Writes a file of the folder; returns its path.
  std::filesystem::path write(const std::string& name, const std::string& text) const;
  /// A correct pipeline: data, model file "model.json", one evaluate stage.
  [[nodiscard]] static Json smallest();
  /// The smallest pipeline with the members of `patch` (RFC 7396) as "p.json".
  pipeline::Pipeline load(const Json& patch, const std::vector<std::string>& overrides = {}) const;
  /// One rule in a pipeline.
  pipeline::Rule rule(const std::string& text) const;
  /// A rule on its own.
  pipeline::Rule lone_rule(const std::string& text) const;

  [[nodiscard]] registry::Registry registry() const;
  [[nodiscard]] std::string path(const std::string& name) const {
    return (folder_ / name).string();
  }

  std::filesystem::path folder_;
};

/// The InputError of `body`, or a test failure.
template <class Body>
std::string input_error(Body&& body) {
  try {
    static_cast<void>(body());
  } catch (const InputError& e) {
    return e.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return "";
}

}  // namespace qloom::test
