// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/cli/apply_given.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "host/data/json_file.hpp"
#include "host/json/names.hpp"
#include "host/json/text.hpp"
#include "host/tensor/error.hpp"

namespace qloom::cli {

using json::Json;

Given::Given(const std::string& file_or_json) {
  const std::size_t first = file_or_json.find_first_not_of(" \t\r\n");
  const bool is_inline = first != std::string::npos && file_or_json[first] == '{';
  name_ = is_inline ? "GIVEN" : file_or_json;
  values_ = is_inline ? json::parse(file_or_json, name_) : data::read_json(file_or_json);
  if (!values_.is_object()) {
    throw InputError(
        fmt::format("{}: expected an object such as {{\"scale\": 0.5, \"zero_point\": 3}}", name_));
  }
}

std::vector<double> Given::numbers(const std::string& pointer, std::size_t count) const {
  const Json::json_pointer at(pointer);
  const Json value = values_.contains(at) ? values_.at(at) : Json();
  const std::string expected =
      count == 1 ? std::string("a number") : fmt::format("a number, or {} of them", count);
  const std::vector<Json> all =
      value.is_array() ? value.get<std::vector<Json>>() : std::vector<Json>(count, value);
  if (all.size() != count) refuse(pointer, expected);
  std::vector<double> numbers;
  for (const Json& one : all) {
    const double number = one.is_number() ? one.get<double>() : HUGE_VAL;
    if (!(std::abs(number) <= std::numeric_limits<float>::max())) refuse(pointer, expected);
    numbers.push_back(number);
  }
  return numbers;
}

void Given::require_known(const std::vector<std::string>& known, const std::string& pointer) const {
  const Json& object = values_.at(Json::json_pointer(pointer));
  if (!object.is_object()) refuse(pointer, "an object");
  for (const auto& [name, value] : object.items()) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    throw InputError(fmt::format("{}: {}/{}: nothing of this name can be given{}", name_, pointer,
                                 name, json::nearest_or_known(name, known)));
  }
}

void Given::refuse(const std::string& pointer, const std::string& expected) const {
  const Json::json_pointer at(pointer);
  throw InputError(fmt::format("{}: {}: {}, expected {}", name_, pointer,
                               values_.contains(at) ? values_.at(at).dump() : "missing", expected));
}

}  // namespace qloom::cli
