// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A command does not write over what it reads.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace qloom::data {

/// A file that a command reads, and what names it: "p.json: /data/train_file", "--input".
struct InputFile {
  std::string place;
  std::filesystem::path file;
};

/// Are both names of one file that is there, also through symbolic and hard links?
[[nodiscard]] bool is_one_file(const std::filesystem::path& a, const std::filesystem::path& b);

/// InputError where an output is the same file as an input: it would be lost. To be asked before
/// anything is removed or written.
void require_inputs_kept(const std::vector<InputFile>& inputs,
                         const std::vector<std::filesystem::path>& outputs);

}  // namespace qloom::data
