// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The ways a command can end early; messages say what, the value, what was expected.
#pragma once

#include <stdexcept>
#include <string>

namespace qloom {

/// The user's input is wrong and nothing was done: exit status 2. The message starts with the file
/// and the JSON pointer where there is one.
class InputError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The run itself went wrong (it diverged, a disk is full, a method refused): exit status 1.
class RunError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A value is NaN or infinite where it must not be.
class NotFinite : public RunError {
 public:
  using RunError::RunError;
};

/// A signal asked the run to end and it did, in good order: exit status 128 + signal.
class Stopped : public std::runtime_error {
 public:
  Stopped(const std::string& what, int signal) : std::runtime_error(what), signal_(signal) {}
  [[nodiscard]] int signal() const { return signal_; }

 private:
  int signal_;
};

}  // namespace qloom
