// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/run/keeper.hpp"

#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "host/run/stop.hpp"

namespace qloom::run {

std::optional<CheckpointInterval> parse_interval(const std::string& text) {
  std::uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  constexpr std::uint64_t kMost = 1'000'000'000;  // 31 years of seconds
  if (error != std::errc() || number == 0 || number > kMost) return std::nullopt;
  const std::string unit(rest, end);
  if (unit.empty() || unit == "steps") return CheckpointInterval{.steps = number};
  if (unit == "s") return CheckpointInterval{.seconds = number};
  return std::nullopt;
}

Keeper::Keeper(std::function<void()> write, CheckpointInterval interval)
    : write_(std::move(write)), interval_(interval), last_(std::chrono::steady_clock::now()) {}

bool Keeper::is_due(std::uint64_t steps) const {
  if (stop_signal() != 0) return true;
  if (interval_.steps > 0) return steps % interval_.steps == 0;
  return interval_.seconds > 0 &&
         std::chrono::steady_clock::now() - last_ >= std::chrono::seconds(interval_.seconds);
}

void Keeper::keep(std::uint64_t steps) {
  write_();
  last_ = std::chrono::steady_clock::now();
  const std::string kept =
      fmt::format("the checkpoint holds {} steps of training, --resume goes on from there", steps);
  stop_if_asked(kept.c_str());
}

}  // namespace qloom::run
