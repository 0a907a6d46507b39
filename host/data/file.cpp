// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/data/file.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "host/data/descriptor.hpp"
#include "host/data/temporary.hpp"
#include "host/tensor/error.hpp"

namespace qloom::data {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kChunkBytes = std::size_t{1} << 20;  // 1 MiB a call

bool write_all(int fd, std::span<const std::uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), std::min(bytes.size(), kChunkBytes));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  return true;
}

/// InputError when what was unpacked so far, or what its beginning announces, is too much.
void check_size(const fs::path& file, std::span<const std::uint8_t> plain, std::uint64_t packed,
                const SizeOf& size_of) {
  const std::optional<std::uint64_t> size = size_of(plain);
  if (!size) return;
  if (*size > packed_at_most(packed)) {
    throw InputError(fmt::format("{}: the header needs {} bytes, the packed data holds at most {}",
                                 file.string(), *size, packed_at_most(packed)));
  }
  if (plain.size() > *size) {
    throw InputError(
        fmt::format("{}: unpacks to more than the {} bytes expected", file.string(), *size));
  }
}

/// Does the data go on after inflate() gave this status with so many bytes taken? InputError when
/// it is damaged or cut off.
bool goes_on(const fs::path& file, const Bytes& packed, std::size_t taken, int status,
             z_stream& stream) {
  if (status == Z_STREAM_END) {
    if (taken == packed.size()) return false;
    if (packed[taken] != 0x1F) {
      throw InputError(fmt::format("{}: {} bytes follow the gzip data, expected none",
                                   file.string(), packed.size() - taken));
    }
    inflateReset(&stream);
  } else if (status == Z_BUF_ERROR ||
             (status == Z_OK && taken == packed.size() && stream.avail_out != 0)) {
    throw InputError(fmt::format("{}: the gzip data is truncated after {} bytes, expected its end",
                                 file.string(), packed.size()));
  } else if (status == Z_MEM_ERROR) {
    throw std::bad_alloc();
  } else if (status != Z_OK) {
    throw InputError(fmt::format("{}: the gzip data is corrupt near byte {}: {}", file.string(),
                                 taken, stream.msg != nullptr ? stream.msg : "not gzip"));
  }
  return true;
}

/// Inflates all gzip members of `packed`; `file` is for messages.
Bytes inflate_all(const fs::path& file, const Bytes& packed, const SizeOf& size_of) {
  z_stream stream{};
  constexpr int kGzipOnly = 16 + MAX_WBITS;
  if (inflateInit2(&stream, kGzipOnly) != Z_OK) throw std::bad_alloc();
  struct End {
    z_stream* stream;
    ~End() { inflateEnd(stream); }
  } const end{&stream};

  Bytes plain;
  std::size_t taken = 0, made = 0;
  for (bool more = true; more;) {
    const std::size_t offered = std::min(packed.size() - taken, kChunkBytes);
    if (plain.size() < made + kChunkBytes) plain.resize(std::max(2 * made, made + kChunkBytes));
    stream.next_in = const_cast<Bytef*>(packed.data() + taken);
    stream.avail_in = static_cast<uInt>(offered);
    stream.next_out = plain.data() + made;
    stream.avail_out = static_cast<uInt>(kChunkBytes);
    const int status = inflate(&stream, Z_NO_FLUSH);
    taken += offered - stream.avail_in;
    made += kChunkBytes - stream.avail_out;
    check_size(file, std::span(plain).first(made), packed.size(), size_of);
    more = goes_on(file, packed, taken, status, stream);
  }
  plain.resize(made);
  return plain;
}

/// Where the bytes go: the target of a symbolic link, otherwise the file itself.
fs::path real_target(const fs::path& file) {
  std::error_code error;
  if (!fs::is_symlink(file, error)) return file;
  const fs::path target = fs::weakly_canonical(file, error);
  return error ? file : target;
}

/// Makes a rename in `folder` survive a power cut; not every file system can: no error then.
void flush_folder(const fs::path& folder) {
  const Descriptor fd(::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY));
  if (fd.is_open()) ::fsync(fd.get());
}

}  // namespace

Bytes read_bytes(const fs::path& file, std::uint64_t most) {
  const Descriptor fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status {};
  if (!fd.is_open() || ::fstat(fd.get(), &status) != 0) {
    throw InputError(fmt::format("{}: cannot be read: {}", file.string(), errno_text()));
  }
  if (!S_ISREG(status.st_mode) && !S_ISFIFO(status.st_mode)) {
    throw InputError(fmt::format("{}: cannot be read: it is a {}, expected a file", file.string(),
                                 S_ISDIR(status.st_mode) ? "folder" : "device"));
  }
  const auto require = [&](std::uint64_t size) {
    if (size <= most) return;
    throw InputError(fmt::format("{}: holds more than {} bytes, expected at most that many",
                                 file.string(), most));
  };
  require(static_cast<std::uint64_t>(std::max<off_t>(status.st_size, 0)));
  // One byte more than the file has, so that its end is seen without growing.
  Bytes bytes(static_cast<std::size_t>(std::max<off_t>(status.st_size, 0)) + 1);
  std::size_t size = 0;
  for (;;) {
    if (size == bytes.size()) bytes.resize(size + kChunkBytes);
    const ssize_t n = ::read(fd.get(), bytes.data() + size, bytes.size() - size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw InputError(fmt::format("{}: cannot be read: {}", file.string(), errno_text()));
    if (n == 0) break;
    size += static_cast<std::size_t>(n);
    require(size);
  }
  bytes.resize(size);
  return bytes;
}

Bytes read_maybe_gzip(const fs::path& file, const SizeOf& size_of) {
  Bytes bytes = read_bytes(file);
  if (bytes.size() < 2 || bytes[0] != 0x1F || bytes[1] != 0x8B) return bytes;
  return inflate_all(file, bytes, size_of);
}

std::uint64_t packed_at_most(std::uint64_t packed_bytes) {
  constexpr std::uint64_t kMostPerByte = 1032;  // Deutsch, RFC 1951: 258 bytes of two bits
  return packed_bytes > UINT64_MAX / kMostPerByte ? UINT64_MAX : packed_bytes * kMostPerByte;
}

StagedFile::StagedFile(const fs::path& file, std::span<const std::uint8_t> bytes)
    : file_(file), target_(real_target(file)) {
  std::error_code error;
  const fs::file_status status = fs::status(target_, error);
  if (fs::exists(status) && !fs::is_regular_file(status)) fail("expected a file or a new name");
  Descriptor fd;
  do {  // a name that exists already, by chance, is not ours
    temporary_ = temporary_name(target_.parent_path());
    fd = Descriptor(::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  } while (!fd.is_open() && errno == EEXIST);
  if (!fd.is_open()) {
    temporary_.clear();
    fail(errno_text());
  }
  if (!write_all(fd.get(), bytes) || ::fsync(fd.get()) != 0 || !fd.close()) {
    const std::string why = errno_text();
    discard();
    fail(why);
  }
}

StagedFile::~StagedFile() { discard(); }

void StagedFile::commit() {
  if (::rename(temporary_.c_str(), target_.c_str()) != 0) fail(errno_text());
  temporary_.clear();
  flush_folder(target_.parent_path());
}

void StagedFile::discard() {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
  temporary_.clear();
}

void StagedFile::fail(const std::string& why) const {
  throw RunError(fmt::format("{}: cannot be written: {}", file_.string(), why));
}

void write_bytes(const fs::path& file, std::span<const std::uint8_t> bytes) {
  StagedFile(file, bytes).commit();
}

}  // namespace qloom::data
