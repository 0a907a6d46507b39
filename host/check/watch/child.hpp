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
  std::string text;     ///< what its function returned
  std::string fault;    ///< "signal 11 (Segmentation fault)"; empty: the function came to its end
  std::string words;    ///< what it last wrote to standard error, or the sanitizer's message
  std::string printed;  ///< "standard output: first line", or of standard error; empty: nothing
};

/// Starts function() in a copy of this process. This process must not have used threads before.
///
/// Its time limit counts processor time, so that a busy machine ends nothing. One that sleeps uses
/// none: it is ended after the same time without any, and in any case after thirty times as long.
class Child {
 public:
  /// seconds: processor time, of all its threads together.
  Child(const std::function<std::string()>& function, double seconds);
  ~Child();
  Child(Child&& other) noexcept;
  Child& operator=(Child&& other) = delete;

  [[nodiscard]] int descriptor() const { return pipe_; }
  /// Takes what it has written; true when it has ended or its time is over. Does not wait.
  bool advance();
  /// Waits until advance() is true.
  void wait();
  /// After advance() was true.
  [[nodiscard]] Ended ended() const { return ended_; }

 private:
  /// late: which limit it reached; empty when it ends by itself.
  void finish(const std::string& late);
  /// The limit it has reached, in words; empty while it may go on.
  [[nodiscard]] std::string reached_limit();
  [[nodiscard]] std::string wait_for_its_end();
  pid_t process_ = -1;
  int pipe_ = -1, output_ = -1, errors_ = -1;
  double seconds_ = 0, begin_ = 0;
  double used_ = 0, used_at_ = 0;  // processor time at the last look that saw it grow, and when
  std::string text_;
  Ended ended_;
};

/// Waits until one of them has something new, or it is time to look at their limits again.
void wait_for_any(const std::vector<Child*>& children);

/// Seconds of a clock that only goes forward.
[[nodiscard]] double now();

}  // namespace qloom::check
