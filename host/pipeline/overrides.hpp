// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// --set /json/pointer=value
#pragma once

#include <string>

#include "host/registry/registry.hpp"

namespace qloom::pipeline {

/// Changes one place of the document. The value is JSON, or a string when it is not. The pointer
/// may name a new key of an object (objects on the way are made), an element of an array, or "-",
/// a new element at its end. InputError '--set "/rules/7=1": /rules has 3 items ...'.
void apply_override(json::Json& document, const std::string& assignment);

}  // namespace qloom::pipeline
