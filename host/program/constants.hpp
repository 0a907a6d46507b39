// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// program.npz, step.npz: the arrays that the text beside it names.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "host/data/file.hpp"
#include "host/data/hash.hpp"
#include "host/json/json.hpp"
#include "host/tensor/tensor.hpp"

namespace qloom::program {

inline constexpr int kFormat = 1;
inline constexpr const char* kConstantsFile = "program.npz";

/// Arrays on their way into the file.
class ConstantsWriter {
 public:
  ConstantsWriter();
  /// As the narrowest of int8, int16, int32 and int64 that holds all values.
  void add(const std::string& name, const Shape& shape, const std::vector<std::int64_t>& values);
  void add(const std::string& name, const Shape& shape, const std::vector<double>& values);
  void add(const std::string& name, const Shape& shape, const std::vector<float>& values);
  [[nodiscard]] data::Bytes bytes() const;

 private:
  std::map<std::string, data::Bytes> members_;
};

[[nodiscard]] data::FileHash hash_of(const data::Bytes& bytes);
/// The name, size and digest of a file, as the text beside it has them.
[[nodiscard]] json::Json to_json(const data::FileHash& hash, const std::string& file);

/// Arrays out of the file, each asked for by the place that names it. InputErrors begin with the
/// file and end with that place.
class ConstantsReader {
 public:
  /// InputError unless the file has the bytes that `expected` tells of; `where`: the place of
  /// `expected`.
  ConstantsReader(const std::filesystem::path& file, const data::FileHash& expected,
                  const std::string& where);

  struct Integers {
    Shape shape;
    std::vector<std::int64_t> values;
  };
  /// An array of any integer type with so many axes.
  [[nodiscard]] Integers integers_of_rank(std::size_t rank, const std::string& name,
                                          const std::string& where);
  [[nodiscard]] std::vector<std::int64_t> integers(const std::string& name, const Shape& shape,
                                                   const std::string& where);
  /// A list of float64.
  [[nodiscard]] std::vector<double> reals(const std::string& name, const std::string& where);
  /// An array (n, 1) of float32.
  [[nodiscard]] std::vector<float> factors(const std::string& name, const std::string& where);
  /// InputError for an array that nobody asked for.
  void require_all_read() const;

 private:
  [[nodiscard]] const data::Bytes& member(const std::string& name, const std::string& where);
  [[nodiscard]] std::string place(const std::string& name) const;

  std::string file_;
  std::map<std::string, data::Bytes> members_;
  std::set<std::string> read_;
};

}  // namespace qloom::program
