// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include <cstdint>

namespace qloom::check {

/// How many threads the process has started so far, those of OpenMP left out. The program that
/// links this counts: pthread_create of the C library is replaced by one that counts and then calls
/// it.
[[nodiscard]] std::uint64_t threads_made() noexcept;

}  // namespace qloom::check
