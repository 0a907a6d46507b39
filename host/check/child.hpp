// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A function in a process of its own.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace qloom::check {

/// How a child process ended.
struct Ended {
  std::string text;   ///< what its function returned
  std::string fault;  ///< "signal 11 (Segmentation fault)"; empty: the function came to its end
  std::string words;  ///< what it last wrote to standard error, or the sanitizer's message
};

/// Starts function() in a copy of this process. This process must not have used threads before.
class Child {
 public:
  Child(const std::function<std::string()>& function, double seconds);
  ~Child();
  Child(Child&& other) noexcept;
  Child& operator=(Child&& other) = delete;

  [[nodiscard]] int descriptor() const { return pipe_; }
  /// Seconds until its time is over, at least 0.
  [[nodiscard]] double seconds_left() const;
  /// Takes what it has written; true when it has ended or its time is over. Does not wait.
  bool advance();
  /// Waits until advance() is true.
  void wait();
  /// After advance() was true.
  [[nodiscard]] Ended ended() const { return ended_; }

 private:
  void finish(bool is_late);
  [[nodiscard]] bool ends_in_time() const;
  pid_t process_ = -1;
  int pipe_ = -1, words_ = -1;
  double deadline_ = 0;
  std::string text_;
  Ended ended_;
};

/// Waits until one of them has something new, or the first deadline.
void wait_for_any(const std::vector<Child*>& children);

/// Seconds of a clock that only goes forward.
[[nodiscard]] double now();

}  // namespace qloom::check
