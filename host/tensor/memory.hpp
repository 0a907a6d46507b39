// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include <cstdint>

#include <unistd.h>

namespace qloom {

/// Memory of this machine. Unit: bytes. What needs more is refused before anything is allocated.
[[nodiscard]] inline std::uint64_t machine_memory() {
  const long pages = ::sysconf(_SC_PHYS_PAGES), bytes = ::sysconf(_SC_PAGESIZE);
  return pages > 0 && bytes > 0
             ? static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(bytes)
             : UINT64_MAX;
}

}  // namespace qloom
