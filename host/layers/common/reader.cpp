// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/layers/common/reader.hpp"

#include <utility>

#include <fmt/format.h>

#include "host/tensor/error.hpp"

namespace qloom::layers {

Reader::Reader(const Json& object, std::string where, std::vector<SampleShape> inputs,
               std::int64_t classes)
    : object_(object), where_(std::move(where)), inputs_(std::move(inputs)), classes_(classes) {}

void Reader::refuse(const std::string& pointer, const std::string& message) const {
  throw InputError(fmt::format("{}{}: {}", where_, pointer, message));
}

const Reader::Json& Reader::required(const char* key) const {
  if (!has(key)) {
    refuse("", fmt::format("missing key \"{}\", which type \"{}\" needs", key,
                           object_["type"].get<std::string>()));
  }
  return object_[key];
}

void Reader::read_pair(const char* key, std::int64_t& height, std::int64_t& width) const {
  if (!has(key)) return;
  const Json& value = object_[key];
  height = value.is_object() ? value["height"].get<std::int64_t>() : value.get<std::int64_t>();
  width = value.is_object() ? value["width"].get<std::int64_t>() : height;
}

std::string text(const SampleShape& s) {
  return fmt::format("{} x {} x {}", s.height, s.width, s.channels);
}

void require_one_shape(const Reader& reader) {
  const auto inputs = reader.inputs();
  for (const SampleShape& other : inputs) {
    if (other == inputs[0]) continue;
    reader.refuse("/input", fmt::format("shapes {} and {} differ; expected two of one shape",
                                        text(inputs[0]), text(other)));
  }
}

}  // namespace qloom::layers
