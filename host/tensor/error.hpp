// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The two ways a command can end early; messages say what, the value, what was expected.
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

}  // namespace qloom
