// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// How a quantizer's values are represented, as JSON for files and reports.
#pragma once

#include <qloom/abi.h>

#include "host/json/json.hpp"

namespace qloom::methods {

/// Kind, bits, scale and zero_point per group, codebook, format. granularity: what shares one
/// scale.
[[nodiscard]] json::Json to_json(const qloom_encoding& e, const json::Json& granularity);

}  // namespace qloom::methods
