// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What a check gets: the method, the parameters to try it with, and where findings go.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include <fmt/format.h>

#include "host/check/cases.hpp"
#include "host/check/check.hpp"
#include "host/check/watch/memory.hpp"
#include "host/registry/calls/floating_point.hpp"

namespace qloom::check {

/// More than twelve functions: what a check asks for, what it finds, and what it calls through.
class Context {
 public:
  static constexpr std::size_t kPlaceBytes = 1024;

  /// place: kPlaceBytes that outlive a crash, or null; method: null for checks of the library.
  Context(const registry::Registry& registry, const registry::Method* method,
          std::filesystem::path library, const Settings& settings, char* place);

  [[nodiscard]] const registry::Registry& registry() const { return registry_; }
  [[nodiscard]] const registry::Method& method() const { return *method_; }
  [[nodiscard]] const std::filesystem::path& library() const { return library_; }
  [[nodiscard]] std::uint64_t seed() const { return settings_.seed; }
  [[nodiscard]] const Settings& settings() const { return settings_; }
  /// Parameters that the schema allows; the first are the plainest.
  [[nodiscard]] const std::vector<Case>& cases() const { return cases_; }
  /// Those of them that the method itself accepts too. Loads the library.
  [[nodiscard]] std::vector<Case> accepted() const;

  [[nodiscard]] registry::Instance create(const Case& c) const {
    return registry_.create(*method_, c.resolved);
  }

  /// Where the check is now, for findings and for a crash.
  void at(std::string place);
  template <class... Args>
  void at(fmt::format_string<Args...> format, Args&&... args) {
    at(fmt::format(format, std::forward<Args>(args)...));
  }
  /// A finding at the present place; more than kMost are only counted.
  void find(std::string what);
  /// There is nothing to check here.
  void skip(std::string why) {
    was_skipped_ = true;
    remark_ = std::move(why);
  }
  /// What was covered.
  void remark(std::string text) { remark_ = std::move(text); }

  /// Every call into the plugin goes through one of these two: they watch the floating-point state
  /// and, for [pure] functions, the memory asked for and written to.
  template <class F>
  auto call(const char* function, F&& f) {
    return watched(function, false, f);
  }
  template <class F>
  auto pure(const char* function, F&& f) {
    return watched(function, true, f);
  }
  /// What else is watched than the floating-point state.
  struct Watch {
    bool allocations = false;  ///< [pure] calls must ask for no memory
    bool writes = false;       ///< [pure] calls must not write to what other calls asked for
  };
  void watch(Watch what) { watch_ = what; }

  [[nodiscard]] std::vector<Finding> findings() const;
  [[nodiscard]] bool was_skipped() const { return was_skipped_; }
  [[nodiscard]] const std::string& remark() const { return remark_; }

 private:
  static constexpr std::size_t kMost = 10;

  template <class F>
  auto watched(const char* function, bool is_pure, F& f) {
    const registry::FloatingPointGuard guard;
    if (watch_.writes) set_apart(is_pure, true);
    const MemoryCounts before = memory_counts();
    if constexpr (std::is_void_v<decltype(f())>) {
      f();
      note(function, is_pure, guard, before);
    } else {
      auto result = f();
      note(function, is_pure, guard, before);
      return result;
    }
  }
  void note(const char* function, bool is_pure, const registry::FloatingPointGuard& guard,
            const MemoryCounts& before);
  /// A call begins or is over: where its memory lies, and whether it may write to it.
  static void set_apart(bool is_pure, bool begins);

  const registry::Registry& registry_;
  const registry::Method* method_;
  std::filesystem::path library_;
  Settings settings_;
  char* place_memory_;
  std::vector<Case> cases_;
  Watch watch_;
  std::mutex mutex_;
  std::string place_, remark_;
  bool was_skipped_ = false;
  std::vector<Finding> findings_;
  std::size_t further_ = 0;
};

}  // namespace qloom::check
