// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Several output files that appear together or not at all.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace qloom::cli {

/// InputError where a folder for results holds those of another command: of a run, a program or a
/// step program. `own` is the file by which the command's own earlier results are known.
void require_own_folder(const std::filesystem::path& output, const std::string& own = "");

class Outputs {
 public:
  using Writer = std::function<void(const std::filesystem::path&)>;

  /// Plans a file; `option` names it in messages, `endings` are those that its name may have; none:
  /// any. An empty path plans nothing.
  void plan(const std::string& option, const std::filesystem::path& file,
            std::vector<std::string> endings = {});
  /// A file that the command reads; `option` names it in messages.
  void reads(const std::string& option, const std::filesystem::path& file);
  /// InputError for a file that cannot be written: no such folder, not writable, a folder itself,
  /// a device or another special file, which a renamed file would replace, of another ending, named
  /// twice, one that the command reads. Nothing stays behind.
  void check() const;
  /// What will be in the planned file; ignored when the option was not given.
  void set(const std::string& option, Writer writer);
  /// Writes every file under a temporary name, then renames all. Nothing stays behind when one
  /// cannot be written.
  void commit() const;

 private:
  struct Entry {
    std::string option;
    std::filesystem::path file;
    std::vector<std::string> endings;
    Writer writer;
  };
  std::vector<Entry> entries_, read_;
};

}  // namespace qloom::cli
