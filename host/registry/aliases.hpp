// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Names that parameters had before: a manifest's "aliases".
#pragma once

#include <string>
#include <vector>

#include "host/registry/registry.hpp"

namespace qloom::registry {

/// A parameter that is written by a name, perhaps with a value, of before.
struct OldName {
  std::string old_name, name;
  Json value;  ///< as it is called now
};

/// Parameters by their present names, without defaults.
struct CurrentNames {
  Json params;
  std::vector<OldName> old_names;
  /// The name by which the user wrote the parameter.
  [[nodiscard]] const std::string& written(const std::string& name) const;
};

/// InputError "<where>/<old name>: ..." when the present name is given too, and for a value that
/// the parameter cannot have.
[[nodiscard]] CurrentNames current_names(const Method& method, const Json& params,
                                         const std::string& where);

/// A method's object ("plugin" and parameters) as an earlier version resolved it, by the present
/// names and with the defaults that are new; as it is where no method accepts it.
[[nodiscard]] Json renewed(const Registry& registry, const std::string& kind, Json object);

/// InputError for an alias of a manifest that leads to no parameter, is one itself, or maps values
/// to what the parameter cannot have.
void check_aliases(const Json& manifest, const std::string& where);

}  // namespace qloom::registry
