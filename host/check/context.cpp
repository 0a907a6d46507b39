// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/check/context.hpp"

#include <algorithm>
#include <cstring>

#include "host/tensor/error.hpp"

namespace qloom::check {

Context::Context(const registry::Registry& registry, const registry::Method* method,
                 std::filesystem::path library, const Settings& settings, char* place)
    : registry_(registry),
      method_(method),
      library_(std::move(library)),
      settings_(settings),
      place_memory_(place) {
  if (method_ != nullptr) cases_ = cases_of(registry_, *method_, settings_.seed);
}

std::vector<Case> Context::accepted() const {
  std::vector<Case> out;
  for (const Case& c : cases_) {
    try {
      static_cast<void>(create(c));
      out.push_back(c);
    } catch (const InputError&) {  // a combination that only the method can judge
    }
  }
  return out;
}

void Context::at(std::string place) {
  if (place_memory_ != nullptr) {
    const std::size_t n = std::min(place.size(), kPlaceBytes - 1);
    std::memcpy(place_memory_, place.data(), n);
    place_memory_[n] = '\0';
  }
  const std::lock_guard lock(mutex_);
  place_ = std::move(place);
}

void Context::find(std::string what) {
  const std::lock_guard lock(mutex_);
  for (const Finding& f : findings_) {
    if (f.what == what && f.place == place_) return;
  }
  if (findings_.size() < kMost) {
    findings_.push_back({place_, std::move(what)});
  } else {
    ++further_;
  }
}

void Context::note(const char* function, bool is_pure, const registry::FloatingPointGuard& guard,
                   const MemoryCounts& before) {
  const MemoryCounts now = memory_counts();
  if (watch_.writes) {
    set_apart(is_pure, false);
    if (is_pure && apart::take_written()) {
      find(fmt::format("{}() wrote to memory of the instance, expected none in a [pure] call",
                       function));
    }
  }
  const std::string change = guard.change();
  if (!change.empty()) find(fmt::format("{}() left {}", function, change));
  if (watch_.allocations && is_pure && now.requests != before.requests) {
    find(fmt::format("{}() asked for memory {} times, expected none in a [pure] call", function,
                     now.requests - before.requests));
  }
}

void Context::set_apart(bool is_pure, bool begins) {
  if (is_pure) {
    apart::watch_writes(begins);
  } else {
    apart::set_requests(begins);
  }
}

std::vector<Finding> Context::findings() const {
  std::vector<Finding> all = findings_;
  if (further_ > 0) all.push_back({"", fmt::format("and {} more", further_)});
  return all;
}

}  // namespace qloom::check
