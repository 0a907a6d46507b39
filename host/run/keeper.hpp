// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// When a run writes its checkpoint.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
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

/// When a run writes its checkpoint, and whether it ends there.
class Keeper {
 public:
  /// `write` writes it.
  Keeper(std::function<void()> write, CheckpointInterval interval);

  /// After so many steps of training, inside an epoch: by the interval, or because a signal asks
  /// the run to end.
  [[nodiscard]] bool is_due(std::uint64_t steps) const;
  /// Writes the checkpoint; Stopped (stop.hpp) when a signal asked for it.
  void keep(std::uint64_t steps);

 private:
  std::function<void()> write_;
  CheckpointInterval interval_;
  std::chrono::steady_clock::time_point last_;
};

}  // namespace qloom::run
