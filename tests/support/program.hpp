// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The built program as a user runs it: a process with arguments, a folder, an exit status.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "host/registry/registry.hpp"
#include "host/tensor/tensor.hpp"

namespace qloom::test {

using json::Json;

struct Outcome {
  int status = -127;  ///< exit status; -n when signal n ended the process
  std::string out, err;
};

/// A test with a folder of its own, in which the program runs.
class Program : public testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override { std::filesystem::remove_all(folder_); }

  Outcome qloom(const std::vector<std::string>& arguments,
                const std::map<std::string, std::string>& environment = {}) const;
  /// qloom apply RULE --input x.npy --output y.npy and more; throws, which fails the test, unless
  /// it exits with 0.
  void apply(const std::string& rule, const std::vector<std::string>& more = {}) const;

  std::filesystem::path write(const std::string& name, const std::string& text) const;
  void write_array(const std::string& name, const Shape& shape,
                   const std::vector<float>& values) const;
  /// A one-axis array.
  void write_array(const std::string& name, const std::vector<float>& values) const;
  [[nodiscard]] std::vector<float> array(const std::string& name) const;
  [[nodiscard]] Shape shape_of(const std::string& name) const;
  [[nodiscard]] std::vector<std::int32_t> codes(const std::string& name) const;
  [[nodiscard]] Json json(const std::string& name) const;
  /// Names of the files and folders in the test's folder, sorted.
  [[nodiscard]] std::vector<std::string> files() const;

  std::filesystem::path folder_;
};

}  // namespace qloom::test
