// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// One layer of a model file as its type reads it. The schema holds types and ranges of single
// values; what hangs together is checked here.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "host/json/json.hpp"
#include "host/layers/layer.hpp"

namespace qloom::layers {

class Reader {
 public:
  using Json = json::Json;

  /// where: file and pointer of the layer; inputs: the shapes that it reads.
  Reader(const Json& object, std::string where, std::vector<SampleShape> inputs,
         std::int64_t classes);

  /// InputError at this place below the layer, for instance "/kernel".
  [[noreturn]] void refuse(const std::string& pointer, const std::string& message) const;
  [[nodiscard]] bool has(const char* key) const { return object_.contains(key); }
  /// InputError when the key is missing.
  [[nodiscard]] const Json& required(const char* key) const;
  template <class T>
  [[nodiscard]] T value(const char* key, const T& absent) const {
    return object_.value(key, absent);
  }
  /// One number for both, or {"height", "width"}; left as they are where the key is missing.
  void read_pair(const char* key, std::int64_t& height, std::int64_t& width) const;

  [[nodiscard]] std::span<const SampleShape> inputs() const { return inputs_; }
  [[nodiscard]] std::int64_t classes() const { return classes_; }  ///< of the data

 private:
  const Json& object_;
  std::string where_;
  std::vector<SampleShape> inputs_;
  std::int64_t classes_;
};

/// "height x width x channels"
[[nodiscard]] std::string text(const SampleShape& shape);

/// For a type that takes inputs of one shape.
void require_one_shape(const Reader& reader);

}  // namespace qloom::layers
