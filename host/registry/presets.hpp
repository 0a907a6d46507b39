// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Named sets of parameters: "presets" of a manifest. The parameter "preset" names one, and its
// parameters stand beside it from validation on, so that a report shows them in full.
#pragma once

#include <string>

#include "host/registry/registry.hpp"

namespace qloom::registry {

/// The parameters with those of the preset that they name; as they are where they name none, or
/// one that the manifest does not have. InputError "<where>/bits: ..." where a parameter of the
/// preset stands beside it with another value.
[[nodiscard]] Json with_preset(const Method& method, Json params, const std::string& where);

/// InputError for a manifest whose presets are not the values of its parameter "preset", or that
/// give a parameter a value that it cannot have.
void check_presets(const Json& manifest, const std::string& where);

}  // namespace qloom::registry
