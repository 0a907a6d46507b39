// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The folders where things are found.
#include <cstdlib>
#include <map>
#include <mutex>
#include <set>
#include <sstream>
#include <system_error>

#include <fmt/format.h>

#include "host/data/json_file.hpp"
#include "host/registry/registry.hpp"
#include "host/tensor/error.hpp"

namespace qloom::registry {
namespace fs = std::filesystem;
namespace {

fs::path program_folder() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  return error ? fs::current_path() : program.parent_path();
}

}  // namespace

fs::path schema_folder() {
  if (const char* path = std::getenv("QLOOM_SCHEMA_PATH"); path != nullptr && *path != '\0') {
    return path;
  }
  const fs::path installed = program_folder() / "../share/qloom/schemas";
  if (fs::is_directory(installed)) return installed.lexically_normal();
  return QLOOM_SOURCE_SCHEMAS;
}

const Json& read_schema(const std::string& name) {
  static std::mutex mutex;
  static std::map<fs::path, Json> known;
  const fs::path file = schema_folder() / (name + ".schema.json");
  const std::lock_guard lock(mutex);
  const auto found = known.find(file);
  return found != known.end() ? found->second
                              : known.emplace(file, data::read_json(file)).first->second;
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
