// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What memory is asked for and given back. The program that links this counts every malloc and free
// of its own and of its libraries: the functions of the C library are replaced by ones that count
// and then call them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace qloom::check {

/// Of this thread. Signed: a thread may free what another one asked for.
struct MemoryCounts {
  std::uint64_t requests = 0;  ///< how often it has asked
  std::int64_t blocks = 0;     ///< asked for, minus given back
  std::int64_t bytes = 0;      ///< the same in bytes; 0 in a sanitized program
};
[[nodiscard]] MemoryCounts memory_counts() noexcept;

/// Memory apart from all other, to tell who writes to it. There is one such place in the process;
/// a sanitized program has none, its memory is not ours to place.
namespace apart {

[[nodiscard]] bool is_possible() noexcept;
/// From now on this thread's requests are met there (or no longer). What lies there is never used
/// again after it was freed.
void set_requests(bool are_met_there) noexcept;
/// A write to it is noted, and goes on as if nothing had been.
void watch_writes(bool are_watched) noexcept;
/// Was there a write since the last question?
[[nodiscard]] bool take_written() noexcept;

}  // namespace apart

}  // namespace qloom::check
