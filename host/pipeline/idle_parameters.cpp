// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/pipeline/idle_parameters.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace qloom::pipeline {

using json::Json;

std::vector<Warning> idle_parameters(const registry::Method& method,
                                     const registry::CurrentNames& given, const Json& resolved,
                                     const std::string& where) {
  std::vector<Warning> warnings;
  const Json only_with = method.manifest.value("only_with", Json::object());
  for (const auto& [name, conditions] : only_with.items()) {
    if (!given.params.contains(name)) continue;
    for (const auto& [other, values] : conditions.items()) {
      const Json now = resolved.value(other, Json());  // null: absent
      if (std::find(values.begin(), values.end(), now) != values.end()) continue;
      const std::string present = now.is_null() ? "without \"" + other + '"'
                                                : fmt::format("with \"{}\": {}", other, now.dump());
      warnings.push_back({where + "/" + given.written(name),
                          fmt::format("{} has no effect {}", given.params[name].dump(), present)});
      break;
    }
  }
  return warnings;
}

}  // namespace qloom::pipeline
