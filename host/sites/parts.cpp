// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/sites/parts.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "host/tensor/error.hpp"

namespace qloom::sites {
namespace {

using json::Json;

/// Is the site, or one that it is like, in the list?
bool suits(const Json& list, const Site& site) {
  return std::any_of(list.begin(), list.end(), [&](const Json& name) {
    return name == site.name || (*site.like != '\0' && name == site.like);
  });
}

bool has_parts(const registry::Method& method) {
  return method.manifest.contains("sites") && method.manifest["sites"].is_object();
}

/// The part that is meant for the site, as messages add it.
std::string part_for(const Json& parts, const Site& site) {
  for (const auto& [part, list] : parts.items()) {
    if (suits(list, site)) return fmt::format(", did you mean \"{}\"?", part);
  }
  return "; no part is";
}

/// Does what passes there belong to one part by what it is?
bool tells_part(const Site& site) {
  return site.owner != Owner::kNetwork && site.role >= QLOOM_SITE_WEIGHT &&
         site.role <= QLOOM_SITE_GRADIENT;
}

}  // namespace

void check_meant_sites(const registry::Method& method, const Json& params,
                       const std::vector<std::string>& names, const std::string& where) {
  if (!method.manifest.contains("sites") || lacks_part(method, params)) return;
  const Json& meant = method.manifest["sites"];
  const auto part = meant.is_object() ? params.at("part").get<std::string>() : std::string();
  if (meant.is_object() && !meant.contains(part)) return;
  const Json& list = meant.is_object() ? meant.at(part) : meant;
  for (const std::string& name : names) {
    const Site& site = *find(name);
    if (suits(list, site)) continue;
    const auto known = list.get<std::vector<std::string>>();
    throw InputError(fmt::format("{}/{}: \"{}\" is for the sites \"{}\", not for \"{}\"{}", where,
                                 meant.is_object() ? "part" : "plugin",
                                 meant.is_object() ? part : method.id, fmt::join(known, "\", \""),
                                 name, meant.is_object() ? part_for(meant, site) : ""));
  }
}

bool lacks_part(const registry::Method& method, const Json& params) {
  return has_parts(method) && !params.contains("part");
}

std::optional<std::string> part_at(const registry::Method& method, const Site& site) {
  if (!has_parts(method) || !tells_part(site)) return std::nullopt;
  for (const auto& [part, list] : method.manifest["sites"].items()) {
    if (suits(list, site)) return part;
  }
  return std::nullopt;
}

std::vector<std::string> parts_at(const registry::Method& method,
                                  const std::vector<std::string>& names, const std::string& where) {
  std::vector<std::string> known, found;
  for (const auto& [part, list] : method.manifest["sites"].items()) known.push_back(part);
  const auto refuse = [&](const std::string& why) {
    throw InputError(fmt::format("{}: missing key \"part\": {}; expected one of \"{}\"", where, why,
                                 fmt::join(known, "\", \"")));
  };
  if (names.empty()) refuse("without a site nothing tells which one is meant");
  for (const std::string& name : names) {
    const std::optional<std::string> part = part_at(method, *find(name));
    if (!part) refuse(fmt::format("the site \"{}\" does not tell which one is meant", name));
    if (std::find(found.begin(), found.end(), *part) == found.end()) found.push_back(*part);
  }
  return found;
}

void take_part(const registry::Registry& registry, const Site& site, Json& quantizer) {
  if (!quantizer.is_object() || !quantizer.contains("plugin")) return;
  const registry::Method* method = registry.find("quantizer", quantizer.value("plugin", ""));
  if (method == nullptr || !lacks_part(*method, quantizer)) return;
  if (const auto part = part_at(*method, site)) quantizer["part"] = *part;
}

}  // namespace qloom::sites
