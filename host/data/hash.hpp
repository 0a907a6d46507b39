// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A 64-bit hash that tells whether bytes changed. No protection against an attacker.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

namespace qloom::data {

/// Bytes in parts of any size; the same bytes in other parts give the same digest.
///
/// Four lanes take 8 bytes each in turn: lane = rotate(lane xor spread(word), 29) * odd constant,
/// where spread(word) = word * odd xor its own upper half. High bits are carried down, so that two
/// flipped sign bits do not cancel.
class Hash {
 public:
  void add(const void* bytes, std::size_t count);
  [[nodiscard]] std::uint64_t digest() const;

 private:
  static constexpr std::size_t kBlock = 32;  // bytes: four lanes of 8
  void add_block(const std::uint8_t* block);
  std::uint64_t lanes_[4] = {0x243F6A8885A308D3, 0x13198A2E03707344, 0xA4093822299F31D0,
                             0x082EFA98EC4E6C89};  // digits of pi
  std::uint64_t total_ = 0;                        // bytes
  std::uint8_t rest_[kBlock] = {};                 // of a block that is not full
};

/// 16 hexadecimal digits.
[[nodiscard]] std::string digest_text(std::uint64_t digest);
[[nodiscard]] std::uint64_t hash_of(const std::string& text);

/// Size and digest of a regular file's bytes.
struct FileHash {
  std::uint64_t bytes = 0;
  std::string digest;  ///< 16 hexadecimal digits
  bool operator==(const FileHash&) const = default;
};

/// Reads the file; a file that this process has read before and whose size, identity and times (ns)
/// are the same is not read again. InputError "<file>: <reason>" for a missing or special file.
[[nodiscard]] FileHash hash_file(const std::filesystem::path& file);

/// What the file system says about the file now: its identity, size and times in ns. A file that is
/// written gets another stamp. Empty for a missing file.
[[nodiscard]] std::string stamp_of(const std::filesystem::path& file);

}  // namespace qloom::data
