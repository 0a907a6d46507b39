// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace qloom::run {

enum class ProgressStyle {
  kAuto,   ///< live on a terminal
  kLive,   ///< one line that is written over
  kPlain,  ///< a line of its own for each finished unit
};

/// Tells a person how far the run is: one live line on a terminal, plain lines otherwise. Writes to
/// standard error.
class Progress {
 public:
  explicit Progress(std::string title, ProgressStyle style = ProgressStyle::kAuto);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// A unit of work with `total` steps starts, for instance "epoch 2/4".
  void begin(const std::string& what, std::uint64_t total);
  /// `done` steps are over; `figures` is shown behind, for instance "loss 0.31".
  void step(std::uint64_t done, const std::string& figures);
  /// A line of its own, for what a person should know at once.
  void note(const std::string& text);
  /// The unit is over; the line stays.
  void end(const std::string& figures);

 private:
  void draw(std::uint64_t done, const std::string& figures, bool is_final);
  std::string title_, what_;
  std::uint64_t total_ = 0;
  bool is_live_;
  enum class Line { kDone, kOpen } line_ = Line::kDone;
  std::chrono::steady_clock::time_point start_, last_;
};

}  // namespace qloom::run
