// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// How a quantizer's values are represented, as JSON for files and reports.
#pragma once

#include <cstdint>
#include <vector>

#include <qloom/abi.h>

#include "host/json/json.hpp"

namespace qloom::methods {

/// Kind, bits, scale and zero_point per group, codebook, format. granularity: what shares one
/// scale.
[[nodiscard]] json::Json to_json(const qloom_encoding& e, const json::Json& granularity);

/// Of kind BASES: the values of a group's codes 0 .. 2^bases - 1. Added in double, the offset
/// first, then bases in ascending order, and rounded once.
[[nodiscard]] std::vector<float> values_of_bases(const qloom_encoding& e, std::uint64_t group);

/// A width as JSON: a whole number where it is one.
[[nodiscard]] json::Json width(double bits);

/// Width of one code, the mean where groups have widths of their own; 32 of what is not exportable.
/// Unit: bits.
[[nodiscard]] double mean_bits(const qloom_encoding& e);

}  // namespace qloom::methods
