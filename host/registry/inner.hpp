// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Methods inside a method: parameters that a manifest marks with "x-qloom-kind".
#pragma once

#include <functional>
#include <map>
#include <string>

#include "host/registry/registry.hpp"

namespace qloom::registry {

/// The kinds of a manifest's marked parameters by their names. InputError "<where>/parameters...:"
/// for a mark at something else than a parameter.
[[nodiscard]] std::map<std::string, std::string> inner_parameters(const Json& manifest,
                                                                  const std::string& where);

/// How many methods one may lie in: more is a mistake, and each costs a call.
inline constexpr int kMostInner = 8;

/// Parameters that were checked against the method's schema, with the methods inside them resolved
/// as registry.resolve_parameters() does, each with its "plugin". InputError as require() and
/// resolve_parameters(), and for more than kMostInner of them inside each other.
[[nodiscard]] Json resolve_inner(const Registry& registry, const Method& method, Json params,
                                 const std::string& where, int depth);

/// visit(method, its object with "plugin", JSON pointer in `params`) for the methods inside one
/// with these parameters, at any depth; those that the registry does not have are left out.
using InnerVisit = std::function<void(const Method&, const Json&, const std::string&)>;
void for_each_inner(const Registry& registry, const Method& method, const Json& params,
                    const InnerVisit& visit);

}  // namespace qloom::registry
