// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

namespace qloom::cli {

/// While one lives, exit() and quick_exit() end the program with status 1 and a message, whatever
/// their argument: a plugin or a library that calls them takes the result along. One at a time.
class EarlyExit {
 public:
  EarlyExit();
  ~EarlyExit();
  EarlyExit(const EarlyExit&) = delete;
  EarlyExit& operator=(const EarlyExit&) = delete;
};

}  // namespace qloom::cli
