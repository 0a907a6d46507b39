// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/json/pointer.hpp"

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

std::string at(const std::string& name, const std::string& pointer) {
  return pointer.empty() ? name : name + ": " + pointer;
}

}  // namespace qloom::json
