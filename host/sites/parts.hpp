// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Which sites a method is for. A manifest's "sites" lists them, or has a list for each value of the
// parameter "part"; a rule that leaves the part out gets the one of its site.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "host/registry/registry.hpp"
#include "host/sites/site.hpp"

namespace qloom::sites {

/// InputError when the manifest's "sites" leaves one of the sites out for these parameters. `where`
/// is file and pointer of the method's object.
void check_meant_sites(const registry::Method& method, const json::Json& params,
                       const std::vector<std::string>& names, const std::string& where);

/// Does the method have parts, and does the object not say which?
[[nodiscard]] bool lacks_part(const registry::Method& method, const json::Json& params);

/// The one part that is for the site; nothing at logits, update, momentum and norm, where it must
/// be written.
[[nodiscard]] std::optional<std::string> part_at(const registry::Method& method, const Site& site);

/// The parts that the sites give a method which lacks one, each once. InputError where a site gives
/// none, or where there are no sites.
[[nodiscard]] std::vector<std::string> parts_at(const registry::Method& method,
                                                const std::vector<std::string>& names,
                                                const std::string& where);

/// Writes the site's part into {"plugin": id, parameters} where it lacks one.
void take_part(const registry::Registry& registry, const Site& site, json::Json& quantizer);

}  // namespace qloom::sites
