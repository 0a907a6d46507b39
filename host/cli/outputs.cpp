// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/cli/outputs.hpp"

#include <algorithm>
#include <system_error>

#include <fmt/format.h>

#include "host/data/arrays/array_file.hpp"
#include "host/data/input_file.hpp"
#include "host/data/temporary.hpp"
#include "host/program/document.hpp"
#include "host/step_program/files.hpp"
#include "host/tensor/error.hpp"

namespace qloom::cli {
namespace fs = std::filesystem;
namespace {

fs::path folder_of(const fs::path& file) {
  return file.has_parent_path() ? file.parent_path() : fs::path(".");
}

/// One name for each file, however its path is written.
fs::path place_of(const fs::path& file) { return fs::weakly_canonical(fs::absolute(file)); }

void require_ending(const std::string& option, const fs::path& file,
                    const std::vector<std::string>& endings) {
  const std::string ending = file.extension().string();
  if (endings.empty() || std::find(endings.begin(), endings.end(), ending) != endings.end()) return;
  throw InputError(fmt::format("{}: \"{}\", expected a name that ends in {}", option, file.string(),
                               fmt::join(endings, " or ")));
}

}  // namespace

void require_own_folder(const fs::path& output, const std::string& own) {
  if (output.empty()) return;  // a default of the command
  constexpr std::pair<const char*, const char*> kResults[] = {
      {"report.json", "a run"},
      {program::kProgramFile, "a program"},
      {step_program::kStepFile, "a step program"}};
  for (const auto& [file, what] : kResults) {
    if (file == own || !fs::exists(output / file)) continue;
    throw InputError(fmt::format("--output: {} is the folder of {} ({}), expected another one",
                                 output.string(), what, file));
  }
}

void Outputs::plan(const std::string& option, const fs::path& file,
                   std::vector<std::string> endings) {
  if (!file.empty()) entries_.push_back({option, file, std::move(endings), {}});
}

void Outputs::reads(const std::string& option, const fs::path& file) {
  read_.push_back({option, file, {}, {}});
}

void Outputs::check() const {
  for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
    const fs::path& file = entry->file;
    if (fs::is_directory(file)) {
      throw InputError(fmt::format("{}: \"{}\" is a folder; expected a file name", entry->option,
                                   file.string()));
    }
    if (fs::exists(file) && !fs::is_regular_file(file)) {
      throw InputError(fmt::format("{}: \"{}\" is a special file; expected a regular one or none",
                                   entry->option, file.string()));
    }
    if (!fs::is_directory(folder_of(file))) {
      throw InputError(fmt::format("{}: \"{}\": the folder \"{}\" does not exist", entry->option,
                                   file.string(), folder_of(file).string()));
    }
    require_ending(entry->option, file, entry->endings);
    data::require_writable_folder(folder_of(file));
    for (const Entry& input : read_) {
      if (!data::is_one_file(input.file, file)) continue;
      throw InputError(
          fmt::format("{}: \"{}\" is what {} names, and would be replaced; expected "
                      "another file",
                      entry->option, file.string(), input.option));
    }
    const auto twin = std::find_if(entries_.begin(), entry, [&](const Entry& other) {
      return place_of(other.file) == place_of(file);
    });
    if (twin != entry) {
      throw InputError(fmt::format("{} and {}: both name \"{}\"; expected two files", twin->option,
                                   entry->option, file.string()));
    }
  }
}

void Outputs::set(const std::string& option, Writer writer) {
  for (Entry& entry : entries_) {
    if (entry.option == option) entry.writer = std::move(writer);
  }
}

void Outputs::commit() const {
  std::vector<fs::path> temporaries;
  for (const Entry& entry : entries_) {
    temporaries.push_back(data::temporary_name(folder_of(entry.file)));
  }
  const auto remove_temporaries = [&temporaries] {
    std::error_code ignored;
    for (const fs::path& temporary : temporaries) fs::remove(temporary, ignored);
  };
  try {
    for (std::size_t i = 0; i < entries_.size(); ++i) entries_[i].writer(temporaries[i]);
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      fs::rename(temporaries[i], entries_[i].file);
    }
  } catch (const fs::filesystem_error& e) {
    remove_temporaries();
    throw RunError(e.what());
  } catch (...) {
    remove_temporaries();
    throw;
  }
}

}  // namespace qloom::cli
