// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Nearest names and the folders where things are found.
#include <algorithm>
#include <cstdlib>
#include <set>
#include <sstream>
#include <system_error>

#include <fmt/format.h>

#include "host/registry/registry.hpp"
#include "host/tensor/error.hpp"

namespace qloom::registry {
namespace fs = std::filesystem;
namespace {

/// Insertions, deletions, substitutions and swaps of neighbours that turn a into b.
std::size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substitute = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, substitute});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
    before.swap(last);
    last.swap(row);
  }
  return last[b.size()];
}

fs::path program_folder() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  return error ? fs::current_path() : program.parent_path();
}

}  // namespace

std::string nearest_name(const std::string& name, const std::vector<std::string>& candidates) {
  std::string best;
  std::size_t best_distance = 0;
  for (const std::string& candidate : candidates) {
    const std::size_t distance = edit_distance(name, candidate);
    if (2 * distance > std::max(name.size(), candidate.size())) continue;
    if (best.empty() || distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

fs::path schema_folder() {
  if (const char* path = std::getenv("QLOOM_SCHEMA_PATH"); path != nullptr && *path != '\0') {
    return path;
  }
  const fs::path installed = program_folder() / "../share/qloom/schemas";
  if (fs::is_directory(installed)) return installed.lexically_normal();
  return QLOOM_SOURCE_SCHEMAS;
}

fs::path template_folder() {
  const fs::path installed = program_folder() / "../share/qloom/template";
  if (fs::is_directory(installed)) return installed.lexically_normal();
  return QLOOM_SOURCE_TEMPLATES;
}

std::vector<fs::path> Registry::default_folders() {
  std::vector<fs::path> folders;
  std::set<fs::path> seen;
  const auto add = [&](const fs::path& folder) {
    if (seen.insert(fs::weakly_canonical(folder)).second) folders.push_back(folder);
  };
  if (const char* path = std::getenv("QLOOM_PLUGIN_PATH"); path != nullptr) {
    std::istringstream parts(path);
    for (std::string part; std::getline(parts, part, ':');) {
      if (part.empty()) continue;
      if (!fs::is_directory(part)) {
        throw InputError(fmt::format("QLOOM_PLUGIN_PATH: \"{}\" is not a folder", part));
      }
      add(part);
    }
  }
  for (const char* place : {"plugins", "../lib/qloom/plugins"}) {
    const fs::path folder = (program_folder() / place).lexically_normal();
    if (fs::is_directory(folder)) add(folder);
  }
  return folders;
}

}  // namespace qloom::registry
