// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include <cstdint>

namespace qloom::check {

/// How often this thread has asked for memory. The program that links this counts every malloc of
/// its own and of its libraries: the functions of the C library are replaced by ones that count and
/// then call them.
[[nodiscard]] std::uint64_t allocations_of_this_thread() noexcept;

}  // namespace qloom::check
