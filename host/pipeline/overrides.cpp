// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/pipeline/overrides.hpp"

#include <algorithm>
#include <cctype>
#include <vector>

#include <fmt/format.h>

#include "host/tensor/error.hpp"

namespace qloom::pipeline {
namespace {

using json::Json;

/// The parts of a JSON pointer with ~0 and ~1 resolved (RFC 6901).
std::vector<std::string> parts_of(const std::string& pointer, const std::string& who) {
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < pointer.size(); ++i) {
    const char c = pointer[i];
    if (c == '/') {
      parts.emplace_back();
    } else if (c != '~') {
      parts.back() += c;
    } else {
      ++i;
      if (i == pointer.size() || (pointer[i] != '0' && pointer[i] != '1')) {
        throw InputError(who + ": \"~\" must be followed by 0 or 1 in a JSON pointer");
      }
      parts.back() += pointer[i] == '0' ? '~' : '/';
    }
  }
  return parts;
}

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
  const std::string who = fmt::format("--set \"{}\"", assignment);
  const std::size_t equals = assignment.find('=');
  if (equals == std::string::npos || equals == 0 || assignment[0] != '/') {
    throw InputError(who + ": expected /json/pointer=value");
  }
  Json* here = &document;
  std::string place;
  for (const std::string& part : parts_of(assignment.substr(0, equals), who)) {
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
  const std::string text = assignment.substr(equals + 1);
  Json value = Json::parse(text, nullptr, false);
  *here = value.is_discarded() ? Json(text) : std::move(value);
}

}  // namespace qloom::pipeline
