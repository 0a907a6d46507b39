// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Whole files in memory, plain or gzip, and files that appear complete or not at all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace qloom::data {

using Bytes = std::vector<std::uint8_t>;

/// The whole file. Throws InputError "<file>: <reason>" when it is missing, no file, unreadable or
/// holds more than `most` bytes.
[[nodiscard]] Bytes read_bytes(const std::filesystem::path& file, std::uint64_t most = UINT64_MAX);

/// Size of a whole file as its first bytes say; nothing while they do not. Unit: bytes.
using SizeOf = std::function<std::optional<std::uint64_t>(std::span<const std::uint8_t>)>;

/// As read_bytes; a file that begins with the gzip magic (1F 8B) is decompressed, all its members,
/// but never beyond what `size_of` says. Throws InputError for corrupt, truncated or trailing
/// bytes.
[[nodiscard]] Bytes read_maybe_gzip(const std::filesystem::path& file, const SizeOf& size_of);

/// Most bytes that so many packed ones can hold: deflate makes at most 1032 of one.
[[nodiscard]] std::uint64_t packed_at_most(std::uint64_t packed_bytes);

/// A file that is complete on the disk under a name of its own and not yet under its real one.
/// Without commit() nothing of it stays.
class StagedFile {
 public:
  /// Writes and flushes. A symbolic link stays, its target is replaced. Throws RunError
  /// "<file>: cannot be written: <reason>"; no temporary file is left then.
  StagedFile(const std::filesystem::path& file, std::span<const std::uint8_t> bytes);
  ~StagedFile();
  StagedFile(const StagedFile&) = delete;
  StagedFile& operator=(const StagedFile&) = delete;
  /// Renames: `file` holds either the old or the new bytes whenever the process is killed.
  void commit();

 private:
  void discard();
  [[noreturn]] void fail(const std::string& why) const;
  std::filesystem::path file_, target_, temporary_;
};

/// A staged file and its commit() in one.
void write_bytes(const std::filesystem::path& file, std::span<const std::uint8_t> bytes);

}  // namespace qloom::data
