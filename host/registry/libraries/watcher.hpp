// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <vector>

namespace qloom::registry {

/// Looks whether files were written anew since the last look. A file counts once it has stayed as
/// it is for a moment, so that no half-written library is taken.
class FileWatcher {
 public:
  /// Looks at these, too, from now on.
  void watch(const std::set<std::filesystem::path>& files);
  /// Files that changed and are complete; each change once. Costs one look at each file's date.
  [[nodiscard]] std::vector<std::filesystem::path> changed();

 private:
  struct Stamp {
    std::filesystem::file_time_type written{};
    std::uintmax_t bytes = 0;
    bool operator==(const Stamp&) const = default;
  };
  [[nodiscard]] static Stamp stamp_of(const std::filesystem::path& file);
  struct Watched {
    Stamp taken, seen;
  };
  std::map<std::filesystem::path, Watched> files_;
};

}  // namespace qloom::registry
