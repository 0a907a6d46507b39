// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Parameters that several methods share: schemas/parameters.schema.json, which docs/vocabulary.md
// explains.
#pragma once

#include <string>

#include "host/json/json.hpp"

namespace qloom::registry {

/// A manifest's parameters with {"$ref": "qloom:parameters#/bits", ...} replaced by that parameter
/// of the vocabulary and what stands beside the reference. InputError "<where><pointer>: ..." for
/// a name that is not there, and for what may not differ or would allow more.
[[nodiscard]] json::Json resolve_vocabulary(const json::Json& vocabulary, json::Json parameters,
                                            const std::string& where);

}  // namespace qloom::registry
