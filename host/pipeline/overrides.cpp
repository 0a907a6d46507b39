// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/pipeline/overrides.hpp"

#include <algorithm>
#include <cctype>
#include <vector>

#include <fmt/format.h>

#include "host/json/pointer.hpp"
#include "host/json/printable.hpp"
#include "host/json/text.hpp"
#include "host/tensor/error.hpp"

namespace qloom::pipeline {
namespace {

using json::Json;

/// The element `part` of an array; "-" makes a new one.
Json& element(Json& array, const std::string& part, const std::string& place,
              const std::string& who) {
  if (part == "-") {
    array.push_back(nullptr);
    return array.back();
  }
  const bool is_number =
      !part.empty() && part.size() < 10 &&
      std::all_of(part.begin(), part.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
  const std::size_t index = is_number ? std::stoul(part) : array.size();
  if (index >= array.size()) {
    throw InputError(fmt::format(
        "{}: \"{}\" is no element of {}, which has {} items; expected {}\"-\"", who, part, place,
        array.size(), array.empty() ? "" : fmt::format("0 to {} or ", array.size() - 1)));
  }
  return array[index];
}

}  // namespace

void apply_override(Json& document, const std::string& assignment) {
  const std::string who = fmt::format("--set \"{}\"", json::printable(assignment));
  if (!json::is_utf8(assignment)) throw InputError(who + ": expected UTF-8");
  const std::size_t equals = assignment.find('=');
  if (equals == std::string::npos || equals == 0 || assignment[0] != '/') {
    throw InputError(who + ": expected /json/pointer=value");
  }
  Json* here = &document;
  std::string place;
  for (const std::string& part : json::pointer_parts(assignment.substr(0, equals), who)) {
    if (here->is_array()) {
      here = &element(*here, part, place, who);
    } else {
      if (here->is_null()) *here = Json::object();  // new on the way
      if (!here->is_object()) {
        throw InputError(
            fmt::format("{}: {} is {}, not an object or array", who, place, here->dump()));
      }
      here = &(*here)[part];
    }
    place += "/" + part;
  }
  *here = json::parse_or_text(assignment.substr(equals + 1), who);
}

}  // namespace qloom::pipeline
