// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include <algorithm>

#include <qloom/kinds/base.hpp>

namespace qloom::sdk {

/// The steps that a requantizer answers with, in their order. It owns the constants until the next
/// derive(). More than twelve functions: one for each operation.
class Steps {
 public:
  struct Step {
    std::uint32_t op, rounding, input;
    std::vector<std::int64_t> constants;
    std::vector<float> factors;
    std::uint64_t per_channel;
  };

  /// Steps that are added from now on prepare input i of a join, counted from 1; 0, as at first:
  /// they come after the sum.
  void of_input(std::uint32_t input) { input_ = input; }

  /// One constant for all channels, or one for each. A step that changes no value is left out.
  void add(std::vector<std::int64_t> c) { unless_all(0, QLOOM_STEP_ADD, std::move(c)); }
  void multiply(std::vector<std::int64_t> c) { unless_all(1, QLOOM_STEP_MULTIPLY, std::move(c)); }
  void shift_left(std::vector<std::int64_t> c) {
    unless_all(0, QLOOM_STEP_SHIFT_LEFT, std::move(c));
  }
  /// rounding: QLOOM_ROUND_*
  void shift_right(std::vector<std::int64_t> c, std::uint32_t rounding) {
    unless_all(0, QLOOM_STEP_SHIFT_RIGHT, std::move(c), rounding);
  }
  void clamp(std::int64_t low, std::int64_t high) { append(QLOOM_STEP_CLAMP, {low, high}, 2); }
  /// per_channel ascending constants, for all channels or for each.
  void count(std::vector<std::int64_t> c, std::uint64_t per_channel) {
    append(QLOOM_STEP_COUNT, std::move(c), per_channel);
  }
  void wrap(std::int64_t bits) { append(QLOOM_STEP_WRAP, {bits}, 1); }
  void saturate(std::int64_t bits) { append(QLOOM_STEP_SATURATE, {bits}, 1); }
  /// per_channel entries, for all channels or for each.
  void table(std::vector<std::int64_t> c, std::uint64_t per_channel) {
    append(QLOOM_STEP_TABLE, std::move(c), per_channel);
  }
  void float_scale(std::vector<float> factors) {
    append(QLOOM_STEP_FLOAT_SCALE, {}, 1);
    list_.back().factors = one_of(std::move(factors));
  }

  [[nodiscard]] const std::vector<Step>& list() const { return list_; }
  void clear() {
    list_.clear();
    input_ = 0;
  }
  /// Writes them for the host; Error where it takes fewer.
  void write(qloom_step* steps, std::uint64_t& count) const {
    if (list_.size() > count) {
      throw Error(QLOOM_E_INTERNAL,
                  concat(list_.size(), " steps, expected at most ", count, " as the host takes"));
    }
    for (std::size_t i = 0; i < list_.size(); ++i) {
      const Step& s = list_[i];
      const std::size_t size = s.factors.empty() ? s.constants.size() : s.factors.size();
      steps[i] = {sizeof(qloom_step),
                  s.op,
                  s.rounding,
                  s.input,
                  s.constants.empty() ? nullptr : s.constants.data(),
                  s.factors.empty() ? nullptr : s.factors.data(),
                  s.per_channel == 0 ? 0 : size / s.per_channel,
                  s.per_channel};
    }
    count = list_.size();
  }

 private:
  void append(std::uint32_t op, std::vector<std::int64_t> c, std::uint64_t per_channel,
              std::uint32_t rounding = QLOOM_ROUND_TOWARD_NEGATIVE) {
    list_.push_back({op, rounding, input_, std::move(c), {}, per_channel});
  }
  /// A single number where all channels have the same.
  template <class T>
  static std::vector<T> one_of(std::vector<T> c) {
    const bool is_one =
        !c.empty() && std::all_of(c.begin(), c.end(), [&](T v) { return v == c.front(); });
    if (is_one) return std::vector<T>(1, c.front());
    return c;
  }
  void unless_all(std::int64_t idle, std::uint32_t op, std::vector<std::int64_t> c,
                  std::uint32_t rounding = QLOOM_ROUND_TOWARD_NEGATIVE) {
    const bool is_idle = std::all_of(c.begin(), c.end(), [&](auto v) { return v == idle; });
    if (!is_idle) append(op, one_of(std::move(c)), 1, rounding);
  }

  std::uint32_t input_ = 0;
  std::vector<Step> list_;
};

/// Requantizer from a class T with
///   explicit T(const Params&);
///   void derive(const qloom_requantize_task&, Steps&) const;  // Error QLOOM_E_UNSUPPORTED, with
///                                                             // the channel, where it cannot
template <class T>
struct Requantizer {
  static constexpr const char* kKind = "qloom.requantizer/1";

  static qloom_status derive(void* self, const qloom_requantize_task* task, qloom_step* steps,
                             std::uint64_t* count, qloom_error* error) noexcept {
    return guarded(error, [&] {
      auto& held = detail::as<Held>(self);
      held.steps.clear();
      static_cast<const T&>(held).derive(*task, held.steps);
      held.steps.write(steps, *count);
    });
  }
  static constexpr qloom_requantizer kTable{sizeof(qloom_requantizer), 0, &derive};
  static qloom_status create(const qloom_host*, const qloom_params* params, const qloom_site* site,
                             qloom_instance* out, qloom_error* error) noexcept {
    return detail::Base<Held>::create(params, site, &kTable, out, error);
  }

 private:
  /// The method and what it answered last.
  struct Held : T {
    using T::T;
    Steps steps;
  };
};

}  // namespace qloom::sdk
