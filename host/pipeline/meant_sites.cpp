// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/pipeline/meant_sites.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "host/tensor/error.hpp"

namespace qloom::pipeline {
namespace {

bool holds(const Json& list, const std::string& site) {
  return std::find(list.begin(), list.end(), site) != list.end();
}

/// The part that is meant for the site, as messages add it.
std::string part_for(const Json& parts, const std::string& site) {
  for (const auto& [part, list] : parts.items()) {
    if (holds(list, site)) return fmt::format(", did you mean \"{}\"?", part);
  }
  return "; no part is";
}

}  // namespace

void check_meant_sites(const registry::Method& method, const Json& params,
                       const std::vector<std::string>& sites, const std::string& where) {
  if (!method.manifest.contains("sites")) return;
  const Json& meant = method.manifest["sites"];
  const bool has_parts = meant.is_object();
  const auto part = has_parts ? params.at("part").get<std::string>() : std::string();
  if (has_parts && !meant.contains(part)) return;
  const Json& list = has_parts ? meant.at(part) : meant;
  for (const std::string& site : sites) {
    if (holds(list, site)) continue;
    const auto known = list.get<std::vector<std::string>>();
    throw InputError(fmt::format("{}/{}: \"{}\" is for the sites \"{}\", not for \"{}\"{}", where,
                                 has_parts ? "part" : "plugin", has_parts ? part : method.id,
                                 fmt::join(known, "\", \""), site,
                                 has_parts ? part_for(meant, site) : ""));
  }
}

}  // namespace qloom::pipeline
