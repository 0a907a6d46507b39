// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What the fuzz targets share: the bytes as a file, and what may come of reading it.
#pragma once

#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <vector>

#include <sys/time.h>

#include "host/registry/registry.hpp"
#include "host/tensor/error.hpp"

namespace qloom::fuzz {

/// This input has 20 seconds of the processor from now on; more ends the program as a finding.
/// libFuzzer's own limit goes by the clock, and a busy machine would make hangs of its own.
inline void limit_time() {
  static const bool has_handler = std::signal(
                                      SIGPROF, +[](int) { std::abort(); }) != SIG_ERR;
  itimerval limit{};
  limit.it_value.tv_sec = 20;
  if (!has_handler || setitimer(ITIMER_PROF, &limit, nullptr) != 0) std::abort();
}

/// A folder of this process with a file that holds the bytes of the present input.
class InputFile {
 public:
  explicit InputFile(const std::string& name) {
    std::string pattern = (std::filesystem::temp_directory_path() / "qloom_fuzz_XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) std::abort();
    root_ = pattern;
    std::filesystem::create_directories(root_ / "input");
    file_ = root_ / "input" / name;
  }
  ~InputFile() {
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
  }
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  /// Its path, once it holds the bytes; the time of the input begins.
  const std::filesystem::path& with(std::span<const std::uint8_t> bytes) const {
    limit_time();
    std::ofstream out(file_, std::ios::binary | std::ios::trunc);
    out.write(reinterpret_cast<const char*>(bytes.data()),
              static_cast<std::streamsize>(bytes.size()));
    return file_;
  }
  /// The folder above the file's.
  [[nodiscard]] const std::filesystem::path& root() const { return root_; }

 private:
  std::filesystem::path root_, file_;
};

/// Reads; an InputError is what a damaged file may give. Everything else that is thrown leaves the
/// target and is a finding.
template <class Read>
int reads_or_refuses(const Read& read) {
  try {
    read();
  } catch (const InputError& error) {
    if (std::string_view(error.what()).empty()) std::abort();
  }
  return 0;
}

/// The methods of the source tree, as their manifests describe them; none is loaded.
inline const registry::Registry& methods() {
  static const registry::Registry all = [] {
    const std::filesystem::path plugins = std::filesystem::path(QLOOM_SOURCE_DIR) / "plugins";
    std::vector<std::filesystem::path> folders;
    for (const auto& entry : std::filesystem::directory_iterator(plugins)) {
      if (entry.is_directory()) folders.push_back(entry.path());
    }
    return registry::Registry(folders);
  }();
  return all;
}

}  // namespace qloom::fuzz
