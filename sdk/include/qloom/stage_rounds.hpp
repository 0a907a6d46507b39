// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Procedures that act before each round of one train stage, and ask for its next round.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <vector>

#include <qloom/kinds/procedure.hpp>

namespace qloom::sdk {

/// The train stage that the parameter "stage" of the vocabulary names, from 0 on.
class StageRounds {
 public:
  static constexpr std::uint32_t kEvents = 1U << QLOOM_EVENT_STAGE | 1U << QLOOM_EVENT_AFTER_STAGE;

  explicit StageRounds(const Params& params)
      : stage_(static_cast<std::uint64_t>(params.integer("/stage"))) {}

  /// A round of the stage begins, or is complete.
  [[nodiscard]] bool begins(const qloom_event& event) const noexcept {
    return event.event == QLOOM_EVENT_STAGE && event.stage == stage_;
  }
  [[nodiscard]] bool ends(const qloom_event& event) const noexcept {
    return event.event == QLOOM_EVENT_AFTER_STAGE && event.stage == stage_;
  }
  /// Asks for the next round where fewer than `rounds` are complete.
  void go_on(const Run& run, const qloom_event& event, std::uint64_t rounds) const {
    if (event.round + 1 < rounds) run.again();
  }

 private:
  std::uint64_t stage_;
};

/// n * share, rounded half up.
[[nodiscard]] inline std::uint64_t count_of(std::uint64_t n, double share) noexcept {
  return static_cast<std::uint64_t>(std::floor(static_cast<double>(n) * share + 0.5));
}

/// Places of the tensor's elements, the largest magnitude first, of equal ones the first.
[[nodiscard]] inline std::vector<std::uint64_t> by_falling_magnitude(const qloom_run_tensor& t) {
  std::vector<std::uint64_t> places(t.n);
  std::iota(places.begin(), places.end(), std::uint64_t{0});
  std::stable_sort(places.begin(), places.end(), [&](std::uint64_t a, std::uint64_t b) {
    return std::fabs(t.value[a]) > std::fabs(t.value[b]);
  });
  return places;
}

/// Which elements are held, one flag each.
[[nodiscard]] inline std::vector<std::uint8_t> held_of(const Run& run, const RunTensor& t) {
  const std::uint8_t* const held = run.control(t.index).held;
  return held == nullptr ? std::vector<std::uint8_t>(t.n, 0)
                         : std::vector<std::uint8_t>(held, held + t.n);
}

/// The stored weights as their rule quantizes them.
///
/// errors: QLOOM_E_INVALID where no rule does
[[nodiscard]] inline std::vector<float> levels_of(const Run& run, const RunTensor& t) {
  std::vector<float> levels(t.n);
  if (run.quantize(t.index, t.value, levels.data())) return levels;
  throw Error(QLOOM_E_INVALID,
              concat("no rule quantizes the weights of \"", t.layer,
                     "\"; expected one for the site \"weight\" with \"when\": \"evaluation\""));
}

inline void reset_velocity(const Run& run, const RunTensor& t) {
  float* const velocity = run.moment(t.index, "velocity");
  if (velocity != nullptr) std::fill_n(velocity, t.n, 0.0F);
}

}  // namespace qloom::sdk
