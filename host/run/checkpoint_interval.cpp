// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/run/checkpoint_interval.hpp"

#include <charconv>

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

}  // namespace qloom::run
