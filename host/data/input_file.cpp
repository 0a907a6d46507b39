// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/data/input_file.hpp"

#include <map>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <sys/stat.h>

#include "host/tensor/error.hpp"

namespace qloom::data {
namespace fs = std::filesystem;
namespace {

/// Device and inode.
using FileIdentity = std::pair<std::uint64_t, std::uint64_t>;

/// Of the file that a name leads to; nothing where there is none.
std::optional<FileIdentity> identity_of(const fs::path& file) {
  struct stat found {};
  if (::stat(file.c_str(), &found) != 0) return std::nullopt;
  return FileIdentity{found.st_dev, found.st_ino};
}

}  // namespace

bool is_one_file(const fs::path& a, const fs::path& b) {
  const std::optional<FileIdentity> identity = identity_of(a);
  return identity && identity == identity_of(b);
}

void require_inputs_kept(const std::vector<InputFile>& inputs,
                         const std::vector<fs::path>& outputs) {
  std::map<FileIdentity, const InputFile*> read;
  for (const InputFile& input : inputs) {
    if (const auto identity = identity_of(input.file)) read.insert({*identity, &input});
  }
  for (const fs::path& output : outputs) {
    const std::optional<FileIdentity> identity = identity_of(output);
    const auto found = identity ? read.find(*identity) : read.end();
    if (found == read.end()) continue;
    throw InputError(fmt::format(
        "{}: \"{}\" would be lost: this command writes {}, which is the same file; expected "
        "another output, or the input at another place",
        found->second->place, found->second->file.string(), output.string()));
  }
}

}  // namespace qloom::data
