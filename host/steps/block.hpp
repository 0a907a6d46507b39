// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include <cstdint>

#include "host/steps/step.hpp"

namespace qloom::steps {

/// apply() on elements first .. first + n - 1 of a tensor of so many channels, in place; v stands
/// at element `first`. Step by step, so that what a step needs is looked up once.
void apply_block(const Chain& chain, std::uint64_t channels, std::uint64_t first, std::uint64_t n,
                 std::int64_t* v);

}  // namespace qloom::steps
