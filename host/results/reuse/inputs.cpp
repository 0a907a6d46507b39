// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/results/reuse/inputs.hpp"

#include <map>
#include <optional>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "host/data/datasets/dataset.hpp"
#include "host/data/hash.hpp"
#include "host/results/reuse/linked_libraries.hpp"
#include "host/tensor/error.hpp"

namespace qloom::results {
namespace {

namespace fs = std::filesystem;
using json::Json;

/// Without "digest" when the file is missing or special.
Json entry_of(const char* what, const std::string& name, const fs::path& file) {
  Json entry{{"what", what}, {"name", name}};
  try {
    const data::FileHash hash = data::hash_file(file);
    entry["bytes"] = hash.bytes;
    entry["digest"] = hash.digest;
  } catch (const InputError&) {
    entry["digest"] = nullptr;
  }
  return entry;
}

/// The program and the shared libraries that it was linked with; the same for the whole process.
const Json& program_entries() {
  static const Json entries = [] {
    Json list = Json::array({entry_of("program", "qloom", "/proc/self/exe")});
    for (const LinkedLibrary& library : linked_libraries()) {
      if (library.build_id.empty()) {
        list.push_back(entry_of("library", library.file.filename().string(), library.file));
      } else {
        list.push_back({{"what", "library"},
                        {"name", library.file.filename().string()},
                        {"digest", library.build_id}});
      }
    }
    return list;
  }();
  return entries;
}

std::vector<fs::path> data_files(const pipeline::Pipeline& p) {
  std::vector<fs::path> files = data::files_of(p.source);
  if (!p.weights.empty()) files.push_back(p.weights);
  return files;
}

/// Program, libraries, data and weights: what the pipeline alone tells.
Json fixed_entries(const pipeline::Pipeline& p) {
  Json list = program_entries();
  for (const fs::path& file : data::files_of(p.source)) {
    list.push_back(entry_of("data", file.filename().string(), file));
  }
  if (!p.weights.empty()) {
    list.push_back(entry_of("weights", p.weights.filename().string(), p.weights));
  }
  return list;
}

Json plugin_entry(const fs::path& library, const std::set<const registry::Method*>& methods) {
  Json entry = entry_of("plugin", library.filename().string(), library);
  entry["methods"] = Json::array();
  std::set<std::string> names;
  for (const registry::Method* method : methods) {
    if (method->library_file == library) names.insert(method->kind + " " + method->id);
  }
  for (const std::string& name : names) entry["methods"].push_back(name);
  return entry;
}

/// Where the methods of a plugin's entry come from now; none: nowhere, or from two places.
std::optional<fs::path> library_of(const Json& entry, const registry::Registry& registry) {
  std::set<fs::path> files;
  for (const Json& name : entry.at("methods")) {
    const std::string text = name.get<std::string>();
    const std::size_t blank = text.find(' ');
    const registry::Method* method = registry.find(text.substr(0, blank), text.substr(blank + 1));
    if (method == nullptr) return std::nullopt;
    files.insert(method->library_file);
  }
  return files.size() == 1 ? std::optional(*files.begin()) : std::nullopt;
}

bool is_same(const Json& before, const Json& now) {
  return before.at("digest").is_string() && before.at("digest") == now.at("digest") &&
         before.value("bytes", Json()) == now.value("bytes", Json());
}

/// By what they are, their name, and which of that name they are.
std::map<std::string, Json> by_name(const Json& entries) {
  std::map<std::string, Json> all;
  for (const Json& entry : entries) {
    const std::string key = fmt::format("{} {}", entry.at("what").get<std::string>(),
                                        entry.at("name").get<std::string>());
    int number = 1;
    while (!all.insert({fmt::format("{} {}", key, number), entry}).second) ++number;
  }
  return all;
}

void compare_fixed(const Json& before, const Json& now, std::set<std::string>& changed) {
  const std::map<std::string, Json> old = by_name(before), present = by_name(now);
  const auto add = [&changed](const Json& entry) {
    const bool is_program = entry.at("what") == "program";
    changed.insert(is_program ? "the program" : entry.at("name").get<std::string>());
  };
  for (const auto& [key, entry] : present) {
    const auto found = old.find(key);
    if (found == old.end() || !is_same(found->second, entry)) add(entry);
  }
  for (const auto& [key, entry] : old) {
    if (!present.contains(key)) add(entry);
  }
}

void collect_changes(const Json& inputs, const pipeline::Pipeline& pipeline,
                     const registry::Registry& registry, std::set<std::string>& changed) {
  Json fixed = Json::array();
  for (const Json& entry : inputs.at("files")) {
    if (entry.at("what") != "plugin") {
      fixed.push_back(entry);
      continue;
    }
    const std::optional<fs::path> library = library_of(entry, registry);
    if (!library || !is_same(entry, entry_of("plugin", "", *library))) {
      changed.insert(entry.at("name").get<std::string>());
    }
  }
  compare_fixed(fixed, fixed_entries(pipeline), changed);
  if (pipeline.start_from.empty()) return;
  collect_changes(inputs.at("start_from"), pipeline::load(pipeline.start_from, {}, registry),
                  registry, changed);
}

std::map<fs::path, std::string> stamps_of(const std::vector<fs::path>& files) {
  std::map<fs::path, std::string> stamps;
  for (const fs::path& file : files) stamps[file] = data::stamp_of(file);
  return stamps;
}

}  // namespace

Json inputs_of(const pipeline::Pipeline& pipeline,
               const std::set<const registry::Method*>& methods) {
  Json inputs{{"files", fixed_entries(pipeline)}};
  add_plugins(inputs, methods);
  return inputs;
}

void add_plugins(Json& inputs, const std::set<const registry::Method*>& methods) {
  std::set<fs::path> libraries;
  for (const registry::Method* method : methods) libraries.insert(method->library_file);
  Json& list = inputs["files"];
  for (const fs::path& library : libraries) {
    Json entry = plugin_entry(library, methods);
    const auto old = std::ranges::find_if(list, [&](const Json& other) {
      return other["what"] == "plugin" && other["digest"] == entry["digest"] &&
             other["name"] == entry["name"];
    });
    if (old == list.end()) {
      list.push_back(std::move(entry));
    } else {
      *old = std::move(entry);
    }
  }
}

void renew_plugin(Json& inputs, const fs::path& library) {
  for (Json& entry : inputs["files"]) {
    if (entry["what"] != "plugin" || entry["name"] != library.filename().string()) continue;
    entry.update(entry_of("plugin", library.filename().string(), library));
  }
}

std::string changes_since(const Json& inputs, const pipeline::Pipeline& pipeline,
                          const registry::Registry& registry) {
  constexpr std::size_t kMostNamed = 3;
  std::set<std::string> changed;
  try {
    collect_changes(inputs, pipeline, registry, changed);
  } catch (const Json::exception&) {
    return "nothing says which program, plugins and data it was made from";
  }
  if (changed.empty()) return "";
  std::vector<std::string> names(changed.begin(), changed.end());
  if (names.size() > kMostNamed) {
    const std::size_t more = names.size() - kMostNamed;
    names.resize(kMostNamed);
    return fmt::format("{} and {} more changed", fmt::join(names, ", "), more);
  }
  const std::string last = names.back();
  names.pop_back();
  return names.empty() ? last + " changed"
                       : fmt::format("{} and {} changed", fmt::join(names, ", "), last);
}

InputStamps::InputStamps(const pipeline::Pipeline& pipeline, const registry::Registry& registry)
    : data_(stamps_of(data_files(pipeline))) {
  std::vector<fs::path> libraries;
  for (const registry::Method& method : registry.methods()) {
    libraries.push_back(method.library_file);
  }
  libraries_ = stamps_of(libraries);
}

void InputStamps::require_unchanged(const std::set<const registry::Method*>& methods) const {
  const auto check = [](const fs::path& file, const std::string& stamp) {
    if (data::stamp_of(file) == stamp) return;
    throw InputError(fmt::format("{}: was written while it was read; run it again", file.string()));
  };
  for (const auto& [file, stamp] : data_) check(file, stamp);
  for (const registry::Method* method : methods) {
    check(method->library_file, libraries_.at(method->library_file));
  }
}

}  // namespace qloom::results
