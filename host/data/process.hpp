// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Which process wrote a file, told so that another process can find out whether it still lives.
#pragma once

#include <cstdint>
#include <string>

namespace qloom::data {

/// One process among all that ever were: a number alone is given again to another process.
struct Process {
  std::string host;         ///< name of the machine
  std::string boot;         ///< id of the kernel's run, new at every start of the machine
  std::string space;        ///< namespace that the number belongs to (containers have their own)
  std::int64_t id = 0;      ///< number of the process
  std::uint64_t start = 0;  ///< when it started; unit: clock ticks since the machine's start

  bool operator==(const Process&) const = default;
};

/// The calling process.
[[nodiscard]] Process this_process();

enum class Life {
  kAlive,
  kDead,    ///< it ended, or its machine was started anew since
  kUnknown  ///< of another machine or namespace: cannot be seen from here
};

[[nodiscard]] Life life_of(const Process& process);

}  // namespace qloom::data
