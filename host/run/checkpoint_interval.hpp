// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace qloom::run {

/// How often a run writes a checkpoint inside an epoch; 0 of both: only at its end.
struct CheckpointInterval {
  std::uint64_t steps = 0, seconds = 0;
};

/// "200" or "200steps": every 200 steps of training; "30s": when 30 seconds have passed since the
/// last one. A whole number from 1 on; nothing for another text.
[[nodiscard]] std::optional<CheckpointInterval> parse_interval(const std::string& text);

}  // namespace qloom::run
