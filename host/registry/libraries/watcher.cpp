// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/registry/libraries/watcher.hpp"

#include <chrono>
#include <system_error>

namespace qloom::registry {
namespace fs = std::filesystem;

void FileWatcher::watch(const std::set<fs::path>& files) {
  for (const fs::path& file : files) {
    const Stamp now = stamp_of(file);
    files_.try_emplace(file, Watched{now, now});
  }
}

FileWatcher::Stamp FileWatcher::stamp_of(const fs::path& file) {
  std::error_code error;
  Stamp stamp;
  stamp.written = fs::last_write_time(file, error);
  if (!error) stamp.bytes = fs::file_size(file, error);
  return error ? Stamp{} : stamp;
}

std::vector<fs::path> FileWatcher::changed() {
  constexpr auto kQuiet = std::chrono::milliseconds(300);
  std::vector<fs::path> list;
  for (auto& [file, watched] : files_) {
    const Stamp now = stamp_of(file);
    const bool is_still = now == watched.seen;
    watched.seen = now;
    if (now == watched.taken || now == Stamp{} || !is_still) continue;
    if (fs::file_time_type::clock::now() - now.written < kQuiet) continue;
    watched.taken = now;
    list.push_back(file);
  }
  return list;
}

}  // namespace qloom::registry
