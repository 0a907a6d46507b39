// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include <string>
#include <vector>

namespace qloom::json {

/// The candidate with the smallest edit distance to `name`, empty when none is near (more than half
/// of the letters differ).
[[nodiscard]] std::string nearest_name(const std::string& name,
                                       const std::vector<std::string>& candidates);

/// ", did you mean "<nearest>"?", or nothing when no candidate is near.
[[nodiscard]] std::string did_you_mean(const std::string& name,
                                       const std::vector<std::string>& candidates);

/// How a message about an unknown name ends: did_you_mean(), or '; known: "x", "y"', or "; there is
/// none".
[[nodiscard]] std::string nearest_or_known(const std::string& name,
                                           const std::vector<std::string>& known);

}  // namespace qloom::json
