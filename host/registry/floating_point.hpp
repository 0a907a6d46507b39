// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include <cfenv>
#include <string>

namespace qloom::registry {

/// The thread's floating-point control state (rounding direction, flush-to-zero,
/// denormals-are-zero, exception masks), taken when constructed and put back when destroyed.
class FloatingPointGuard {
 public:
  FloatingPointGuard();
  ~FloatingPointGuard();
  FloatingPointGuard(const FloatingPointGuard&) = delete;
  FloatingPointGuard& operator=(const FloatingPointGuard&) = delete;

  /// What differs now, for instance "MXCSR 0x1f80 became 0x9fc0 (flush-to-zero on,
  /// denormals-are-zero on)"; empty when nothing does. Status flags do not count.
  [[nodiscard]] std::string change() const;

 private:
  std::fenv_t saved_;
};

}  // namespace qloom::registry
