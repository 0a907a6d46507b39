// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <thread>

#include "host/data/descriptor.hpp"

namespace qloom::study {

/// Copies what a child writes into a pipe to a log and to standard error, as it comes; lines that
/// begin with `hidden` go to the log only.
class Tee {
 public:
  /// RunError when the log or the pipe cannot be made.
  Tee(const std::filesystem::path& log, std::string hidden);
  /// Copies what is still in the pipe. The child has ended by then; what it left running may hold
  /// the pipe open and is not waited for.
  ~Tee();
  Tee(const Tee&) = delete;
  Tee& operator=(const Tee&) = delete;
  /// The end for the child.
  [[nodiscard]] int input() const { return input_.get(); }
  /// Starts to copy; the child has its end by now.
  void start();

 private:
  void copy();
  void show(std::string_view text);
  std::string hidden_;
  /// Of the present line: kOpen as long as it begins as hidden lines do.
  enum class Fate { kOpen, kShown, kHidden };
  Fate fate_ = Fate::kOpen;
  std::string line_;                                        ///< the present line while that is open
  data::Descriptor log_, output_, input_, stop_, stopped_;  // the last two: a pipe that ends copy()
  std::thread thread_;
};

}  // namespace qloom::study
