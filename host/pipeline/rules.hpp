// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// One rule of a pipeline: its places, and the methods with their parameters resolved.
#pragma once

#include <string>

#include "host/pipeline/pipeline.hpp"

namespace qloom::pipeline {

enum class RuleUse {
  kPipeline,  ///< must name a site (a rule with "norm": none)
  kAlone      ///< qloom apply: site optional, a rounding may stand alone
};

/// Checks what the schema cannot say. `text` has passed the schema; `name` is the file, `pointer`
/// the rule's place in it. InputError for unknown sites and methods, and for rules without meaning.
[[nodiscard]] Rule resolve_rule(const Json& text, RuleUse use, const std::string& name,
                                const std::string& pointer, const registry::Registry& registry);

/// {"plugin": id, parameters with defaults} of a method object. `where` is its file and pointer;
/// old names, and parameters without effect, are added to `notes`.
[[nodiscard]] Json resolve_method(const registry::Registry& registry, const std::string& kind,
                                  const Json& object, const std::string& where, Notes& notes);

}  // namespace qloom::pipeline
