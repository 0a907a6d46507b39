// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/data/hash.hpp"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <map>
#include <mutex>
#include <system_error>
#include <tuple>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include "host/data/descriptor.hpp"
#include "host/tensor/error.hpp"

namespace qloom::data {
namespace fs = std::filesystem;
namespace {

constexpr std::uint64_t kOdd = 0x9E3779B97F4A7C15;  // 2^64 / golden ratio
constexpr int kRotation = 29;
constexpr std::size_t kReadBytes = std::size_t{1} << 20;  // 1 MiB a call

/// The product spreads low bits up, the shift high bits down, the rotation both into the next one.
std::uint64_t mixed(std::uint64_t lane, std::uint64_t word) {
  word *= kOdd;
  word ^= word >> 32;
  return std::rotl(lane ^ word, kRotation) * kOdd;
}

/// What a file system says about a file: other bytes come with another stamp.
using Stamp =
    std::tuple<dev_t, ino_t, off_t, std::int64_t, std::int64_t, std::int64_t, std::int64_t>;

Stamp stamp_of(const struct stat& s) {
  return {s.st_dev,          s.st_ino,         s.st_size,        s.st_mtim.tv_sec,
          s.st_mtim.tv_nsec, s.st_ctim.tv_sec, s.st_ctim.tv_nsec};
}

[[noreturn]] void fail(const fs::path& file, const std::string& why) {
  throw InputError(fmt::format("{}: cannot be read: {}", file.string(), why));
}

FileHash hash_open_file(const Descriptor& fd, const fs::path& file) {
  Hash hash;
  FileHash result;
  std::vector<std::uint8_t> chunk(kReadBytes);
  for (;;) {
    const ssize_t n = ::read(fd.get(), chunk.data(), chunk.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail(file, std::generic_category().message(errno));
    if (n == 0) break;
    hash.add(chunk.data(), static_cast<std::size_t>(n));
    result.bytes += static_cast<std::uint64_t>(n);
  }
  result.digest = digest_text(hash.digest());
  return result;
}

}  // namespace

void Hash::add_block(const std::uint8_t* block) {
  for (int i = 0; i < 4; ++i) {
    std::uint64_t word = 0;
    std::memcpy(&word, block + 8 * i, sizeof word);
    lanes_[i] = mixed(lanes_[i], word);
  }
}

void Hash::add(const void* bytes, std::size_t count) {
  const auto* next = static_cast<const std::uint8_t*>(bytes);
  const std::size_t held = total_ % kBlock;
  total_ += count;
  if (held > 0) {
    const std::size_t taken = std::min(count, kBlock - held);
    std::memcpy(rest_ + held, next, taken);
    next += taken;
    count -= taken;
    if (held + taken < kBlock) return;
    add_block(rest_);
  }
  for (; count >= kBlock; next += kBlock, count -= kBlock) add_block(next);
  if (count > 0) std::memcpy(rest_, next, count);
}

std::uint64_t Hash::digest() const {
  Hash last = *this;
  const std::size_t held = total_ % kBlock;
  std::memset(last.rest_ + held, 0, kBlock - held);
  if (held > 0) last.add_block(last.rest_);
  std::uint64_t all = total_;  // tells trailing zeros from the filling
  for (const std::uint64_t lane : last.lanes_) {
    all = mixed(all, lane);
    all ^= all >> 32;
  }
  all *= kOdd;
  return all ^ (all >> 29);
}

std::string digest_text(std::uint64_t digest) { return fmt::format("{:016x}", digest); }

std::uint64_t hash_of(const std::string& text) {
  Hash hash;
  hash.add(text.data(), text.size());
  return hash.digest();
}

std::string stamp_of(const fs::path& file) {
  struct stat s {};
  if (::stat(file.c_str(), &s) != 0) return "";
  return fmt::format("{} {} {} {}.{:09} {}.{:09}", s.st_dev, s.st_ino, s.st_size, s.st_mtim.tv_sec,
                     s.st_mtim.tv_nsec, s.st_ctim.tv_sec, s.st_ctim.tv_nsec);
}

FileHash hash_file(const fs::path& file) {
  static std::mutex mutex;
  static std::map<Stamp, FileHash> known;
  struct stat before {
  }, after{};
  if (::stat(file.c_str(), &before) != 0) fail(file, std::generic_category().message(errno));
  if (!S_ISREG(before.st_mode)) {  // a pipe would be emptied
    fail(file, "no regular file, so nobody can tell whether it changed");
  }
  {
    const std::lock_guard lock(mutex);
    if (const auto found = known.find(stamp_of(before)); found != known.end()) return found->second;
  }
  const Descriptor fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.is_open()) fail(file, std::generic_category().message(errno));
  const FileHash hash = hash_open_file(fd, file);
  if (::fstat(fd.get(), &after) != 0 || stamp_of(after) != stamp_of(before)) {
    fail(file, "it changed while it was read");
  }
  const std::lock_guard lock(mutex);
  return known[stamp_of(before)] = hash;
}

}  // namespace qloom::data
