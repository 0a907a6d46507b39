// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/json/pointer.hpp"

#include "host/tensor/error.hpp"

namespace qloom::json {

std::string pointer_part(const std::string& key) {
  std::string part = "/";
  for (const char c : key) {
    if (c == '~') {
      part += "~0";
    } else if (c == '/') {
      part += "~1";
    } else {
      part += c;
    }
  }
  return part;
}

std::vector<std::string> pointer_parts(const std::string& pointer, const std::string& who) {
  if (!pointer.empty() && pointer[0] != '/') {
    throw InputError(who + ": a JSON pointer begins with \"/\"");
  }
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

std::string at(const std::string& name, const std::string& pointer) {
  return pointer.empty() ? name : name + ": " + pointer;
}

}  // namespace qloom::json
