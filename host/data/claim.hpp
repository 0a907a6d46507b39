// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// One writer per folder.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "host/data/descriptor.hpp"

namespace qloom::data {

/// How to wait for another process.
struct Wait {
  std::function<void(const std::string&)> tell;  ///< gets one message before
  std::function<void()> look = [] {};  ///< called ten times a second; ends the wait by throwing
};

/// A folder that this process alone writes, until the object goes. The file <folder>/.qloom-claim
/// says who holds it; a lock on that file, which the kernel takes back when its process dies, says
/// that it is held. So the claim of a dead process is taken over at once. One of another machine
/// whose lock cannot be seen is respected.
class Claim {
 public:
  /// Creates the folder when it is missing, and removes what dead writers left in it. InputError
  /// that names the holder, when it was taken and what to do.
  explicit Claim(const std::filesystem::path& folder);
  /// The same, but waits for the holder to end. InputError when this very process holds the folder.
  Claim(const std::filesystem::path& folder, const Wait& wait);
  ~Claim();
  Claim(const Claim&) = delete;
  Claim& operator=(const Claim&) = delete;

 private:
  enum class Lock { kTaken, kHeld, kGone };
  [[nodiscard]] Lock lock();
  void refuse_foreign() const;
  void refuse_own() const;
  void write_owner() const;
  std::filesystem::path folder_, file_;
  Descriptor fd_;
};

/// Returns when no process holds the folder.
void wait_until_free(const std::filesystem::path& folder, const Wait& wait);

}  // namespace qloom::data
