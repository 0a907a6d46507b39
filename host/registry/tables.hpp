// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Which function tables exist, and whether a given one is complete.
#pragma once

#include <string>

#include <qloom/abi.h>

namespace qloom::registry {

/// "qloom.quantizer/1" for "quantizer"; empty for a word that is no kind.
[[nodiscard]] std::string kind_id(const std::string& kind);

/// What is wrong with a created instance's tables, for instance "the qloom.range/1 table has no
/// observe()"; empty when they are complete. Reads nothing beyond what struct_size promises.
[[nodiscard]] std::string instance_fault(const std::string& kind, const qloom_instance& instance);

/// Can the instance be destroyed, whatever else is wrong with it?
[[nodiscard]] bool is_destroyable(const qloom_instance& instance);

}  // namespace qloom::registry
