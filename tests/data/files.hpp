// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What the data tests share: a folder of their own, files from bytes, messages of errors.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>

#include "host/tensor/error.hpp"

namespace qloom::data {

using Bytes = std::vector<std::uint8_t>;

/// A test with an empty folder that is removed afterwards.
class Files : public testing::Test {
 protected:
  void SetUp() override {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = std::filesystem::temp_directory_path() /
              ("qloom-" + std::to_string(::getpid()) + "-" + test->name());
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] std::filesystem::path put(const std::string& name, const Bytes& bytes) const {
    const std::filesystem::path file = folder_ / name;
    std::ofstream(file, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    return file;
  }
  [[nodiscard]] static Bytes get(const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }

  std::filesystem::path folder_;
};

/// The message of the InputError that body throws; a failure and "" when it throws none.
template <class Body>
std::string input_error(Body body) {
  try {
    body();
  } catch (const InputError& e) {
    return e.what();
  }
  ADD_FAILURE() << "no InputError";
  return "";
}

inline void expect_has(const std::string& text, const std::vector<std::string>& parts) {
  for (const std::string& part : parts) {
    EXPECT_NE(text.find(part), std::string::npos) << "\"" << part << "\" is not in: " << text;
  }
}

/// A .npy file written by hand, as NumPy 1.x writes it: version 1.0, header padded to 64 bytes.
inline Bytes npy(const std::string& dictionary, const Bytes& elements) {
  std::string text = dictionary;
  while ((10 + text.size() + 1) % 64 != 0) text += ' ';
  text += '\n';
  Bytes out{0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0};
  out.push_back(static_cast<std::uint8_t>(text.size() % 256));
  out.push_back(static_cast<std::uint8_t>(text.size() / 256));
  out.insert(out.end(), text.begin(), text.end());
  out.insert(out.end(), elements.begin(), elements.end());
  return out;
}
inline Bytes npy(const std::string& type, const std::string& shape, const Bytes& elements,
                 const std::string& fortran = "False") {
  return npy(
      "{'descr': '" + type + "', 'fortran_order': " + fortran + ", 'shape': " + shape + ", }",
      elements);
}

/// An IDX file written by hand.
inline Bytes idx(std::uint8_t type, const std::vector<std::uint32_t>& shape,
                 const Bytes& elements) {
  Bytes out{0, 0, type, static_cast<std::uint8_t>(shape.size())};
  for (const std::uint32_t extent : shape) {
    for (int shift = 24; shift >= 0; shift -= 8) {
      out.push_back(static_cast<std::uint8_t>(extent >> shift));
    }
  }
  out.insert(out.end(), elements.begin(), elements.end());
  return out;
}

}  // namespace qloom::data
