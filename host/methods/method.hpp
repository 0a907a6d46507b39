// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// One method of a rule: {"plugin": id, parameters} against the registry, and back.
#pragma once

#include <set>
#include <string>

#include "host/registry/registry.hpp"

namespace qloom::methods {

using json::Json;

/// A method of a rule with its resolved parameters.
struct MethodSpec {
  const registry::Method* method = nullptr;
  Json params;
  std::string where;  ///< file and JSON pointer, for messages
  /// JSON pointer in params of those that say what forms a group: "" where the method has them
  /// itself, "/quantizer" where the quantizer inside it has.
  std::string grid{};
  bool operator==(const MethodSpec& o) const { return method == o.method && params == o.params; }
};

/// The parameters of {"plugin": id, parameters}, as they are written there.
[[nodiscard]] Json parameters_of(const Json& object);

/// {"plugin": id, parameters}, checked, with defaults. InputError that starts with `where`, the
/// file and pointer of the object.
[[nodiscard]] MethodSpec resolve(const registry::Registry& registry, const std::string& kind,
                                 const Json& object, const std::string& where);

/// The object that resolve() would make this specification of, with all parameters.
[[nodiscard]] Json to_json(const MethodSpec& spec);
/// The specification of such an object. A method that the registry does not have is left null.
[[nodiscard]] MethodSpec spec_of(const registry::Registry& registry, const std::string& kind,
                                 const Json& object);

/// The method and those inside it are added to `all`.
void add_methods(const registry::Registry& registry, const MethodSpec& spec,
                 std::set<const registry::Method*>& all);
/// Is the method or one inside it in the set?
[[nodiscard]] bool is_of(const registry::Registry& registry, const MethodSpec& spec,
                         const std::set<const registry::Method*>& methods);

/// Does the method's manifest know a parameter of this name?
[[nodiscard]] bool accepts(const MethodSpec& spec, const char* parameter);

/// Does a method keep its state where `before` becomes `now`: the same method, and the same
/// parameters but for those that its manifest lists under "keeps_state"?
[[nodiscard]] bool keeps_state(const MethodSpec& now, const MethodSpec& before);

/// "tensor", "channel", "sample" or {"group": k}: what shares one scale under these parameters.
[[nodiscard]] Json granularity_of(const MethodSpec& spec);
/// The same or, of a method that cuts blocks along an axis itself, {"block": k, "axis": a}: what
/// one group of its encoding holds.
[[nodiscard]] Json encoding_groups_of(const MethodSpec& spec);

}  // namespace qloom::methods
