// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Parameters to try a method with, from nothing but its manifest's schema.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "host/registry/registry.hpp"

namespace qloom::check {

using json::Json;

struct Case {
  Json params;               ///< as a user writes them
  Json resolved;             ///< with defaults
  std::string grid_place{};  ///< as methods::MethodSpec::grid
  /// The parameters that say what forms a group: its own, or those of the quantizer inside it.
  [[nodiscard]] const Json& grid() const { return resolved.at(Json::json_pointer(grid_place)); }
  [[nodiscard]] std::string text() const { return params.dump(); }
};

/// The case of these parameters. InputError where the schema does not allow them.
[[nodiscard]] Case case_of(const registry::Registry& registry, const registry::Method& method,
                           const Json& params);

/// The defaults (with a first value for what is required), the schema's "examples", one case for
/// every further value of each parameter (all of an enum, both ends of a range), and combinations
/// drawn with the seed. Only what the schema allows; the method itself may still refuse some.
[[nodiscard]] std::vector<Case> cases_of(const registry::Registry& registry,
                                         const registry::Method& method, std::uint64_t seed);

/// Values of one parameter to try, from its schema.
[[nodiscard]] std::vector<Json> values_of(const Json& schema);

}  // namespace qloom::check
