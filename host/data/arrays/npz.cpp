// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/data/arrays/npz.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <zip.h>

#include "host/data/arrays/npy.hpp"
#include "host/tensor/error.hpp"

namespace qloom::data {
namespace {

constexpr std::string_view kSuffix = ".npy";
constexpr std::uint16_t kDosTime = 0, kDosDate = (1 << 5) | 1;  // 1980-01-01 00:00, the earliest
constexpr std::uint32_t kUnixMode = 0100644;                    // a file, rw-r--r--
constexpr std::size_t kEndRecordBytes = 22;                     // the smallest zip file

struct Discard {
  void operator()(zip_t* zip) const { zip_discard(zip); }
  void operator()(zip_file_t* member) const { zip_fclose(member); }
  void operator()(zip_source_t* source) const { zip_source_free(source); }
};
using Zip = std::unique_ptr<zip_t, Discard>;
using Member = std::unique_ptr<zip_file_t, Discard>;
using ZipSource = std::unique_ptr<zip_source_t, Discard>;

/// An error record of libzip with an end.
struct ZipError {
  zip_error_t raw{};
  ZipError() { zip_error_init(&raw); }
  ~ZipError() { zip_error_fini(&raw); }
  ZipError(const ZipError&) = delete;
  ZipError& operator=(const ZipError&) = delete;
  [[nodiscard]] std::string text() { return zip_error_strerror(&raw); }
};

/// An archive over bytes in memory. `source` stays usable as long as the caller holds it.
Zip open_archive(zip_source_t* source, int flags, ZipError& error) {
  zip_source_keep(source);  // the archive takes one reference, but only when it opens
  Zip zip(zip_open_from_source(source, flags, &error.raw));
  if (zip == nullptr) zip_source_free(source);
  return zip;
}

/// Unpacks a member as far as its .npy header says, and one byte more: nothing is unpacked or
/// allocated for what no array needs.
class MemberReader {
 public:
  MemberReader(zip_t* zip, zip_uint64_t index, std::string where)
      : member_(zip_fopen_index(zip, index, 0)), where_(std::move(where)) {
    if (member_ == nullptr) fail(zip_strerror(zip));
    zip_stat_t stat;
    if (zip_stat_index(zip, index, 0, &stat) == 0 && (stat.valid & ZIP_STAT_COMP_SIZE) != 0) {
      most_ = packed_at_most(stat.comp_size);
    }
  }

  Bytes read() {
    while (!size_ && extend(std::max(kHeaderBytes, 2 * bytes_.size()))) {
      size_ = npy_size(bytes_, where_);
      if (size_ && *size_ > most_) {
        fail(fmt::format("the header needs {} bytes, the packed data holds at most {}", *size_,
                         most_));
      }
    }
    while (size_ && bytes_.size() <= *size_ &&
           extend(std::min<std::uint64_t>(*size_ + 1, 2 * bytes_.size()))) {
    }
    if (size_ && bytes_.size() > *size_) {
      fail(fmt::format("unpacks to more than the {} bytes expected", *size_));
    }
    return std::move(bytes_);
  }

 private:
  [[noreturn]] void fail(const std::string& why) const {
    throw InputError(fmt::format("{}: {}", where_, why));
  }
  /// Reads until there are `size` bytes; false at the member's end.
  bool extend(std::uint64_t size) {
    std::size_t had = bytes_.size();
    bytes_.resize(size);
    while (had < size) {
      const zip_int64_t n = zip_fread(member_.get(), bytes_.data() + had, size - had);
      if (n < 0) fail(zip_file_strerror(member_.get()));
      if (n == 0) break;
      had += static_cast<std::size_t>(n);
    }
    bytes_.resize(had);
    return had == size;
  }

  static constexpr std::size_t kHeaderBytes = 4096;  // more than a header of NumPy has
  Member member_;
  std::string where_;
  Bytes bytes_;
  std::optional<std::uint64_t> size_;  ///< as the header says
  std::uint64_t most_ = UINT64_MAX;    ///< that the packed bytes can hold
};

[[noreturn]] void fail_to_write(const std::string& why) {
  throw RunError(fmt::format("a zip archive cannot be made: {}", why));
}

void add_member(zip_t* zip, const std::string& name, const Bytes& bytes) {
  ZipSource source(zip_source_buffer(zip, bytes.data(), bytes.size(), 0));
  if (source == nullptr) fail_to_write(zip_strerror(zip));
  const zip_int64_t index = zip_file_add(zip, name.c_str(), source.get(), ZIP_FL_ENC_UTF_8);
  if (index < 0) fail_to_write(zip_strerror(zip));
  static_cast<void>(source.release());  // the archive owns it now
  const auto i = static_cast<zip_uint64_t>(index);
  if (zip_set_file_compression(zip, i, ZIP_CM_STORE, 0) != 0 ||
      zip_file_set_dostime(zip, i, kDosTime, kDosDate, 0) != 0 ||
      zip_file_set_external_attributes(zip, i, 0, ZIP_OPSYS_UNIX, kUnixMode << 16) != 0) {
    fail_to_write(zip_strerror(zip));
  }
}

Bytes bytes_of(zip_source_t* source) {
  zip_stat_t status;
  if (zip_source_stat(source, &status) != 0 || (status.valid & ZIP_STAT_SIZE) == 0 ||
      zip_source_open(source) != 0) {
    fail_to_write(zip_error_strerror(zip_source_error(source)));
  }
  Bytes bytes(status.size);
  const zip_int64_t n = zip_source_read(source, bytes.data(), bytes.size());
  zip_source_close(source);
  if (n < 0 || static_cast<std::size_t>(n) != bytes.size()) fail_to_write("short read");
  return bytes;
}

}  // namespace

std::map<std::string, Bytes> read_members(const std::filesystem::path& file,
                                          const std::set<std::string>& names) {
  const Bytes packed = read_bytes(file);
  ZipError error;
  const ZipSource source(zip_source_buffer_create(packed.data(), packed.size(), 0, &error.raw));
  if (source == nullptr) throw std::bad_alloc();
  const Zip zip = open_archive(source.get(), ZIP_RDONLY | ZIP_CHECKCONS, error);
  if (zip == nullptr || packed.size() < kEndRecordBytes) {  // libzip takes 0 bytes for an archive
    throw InputError(fmt::format("{}: {} bytes are not a sound .npz (zip) file: {}", file.string(),
                                 packed.size(), zip == nullptr ? error.text() : "truncated"));
  }
  std::map<std::string, Bytes> members;
  const zip_int64_t count = zip_get_num_entries(zip.get(), 0);
  for (zip_int64_t i = 0; i < count; ++i) {
    const auto index = static_cast<zip_uint64_t>(i);
    const char* raw_name = zip_get_name(zip.get(), index, 0);
    std::string name = raw_name == nullptr ? "" : raw_name;
    const std::string where = fmt::format("{}: member \"{}\"", file.string(), name);
    if (!name.ends_with(kSuffix)) {
      throw InputError(fmt::format("{}: expected a name that ends in {}", where, kSuffix));
    }
    name.resize(name.size() - kSuffix.size());
    if (!names.empty() && !names.contains(name)) continue;
    if (!members.emplace(name, MemberReader(zip.get(), index, where).read()).second) {
      throw InputError(fmt::format("{}: is there twice, expected once", where));
    }
  }
  return members;
}

Bytes zip_bytes(const std::map<std::string, Bytes>& members) {
  if (members.empty()) {  // libzip deletes an archive without members; this is its end record
    Bytes end(kEndRecordBytes, 0);
    std::copy_n("PK\x05\x06", 4, end.begin());
    return end;
  }
  ZipError error;
  const ZipSource source(zip_source_buffer_create(nullptr, 0, 0, &error.raw));
  if (source == nullptr) throw std::bad_alloc();
  Zip zip = open_archive(source.get(), ZIP_TRUNCATE, error);
  if (zip == nullptr) fail_to_write(error.text());
  for (const auto& [name, bytes] : members) {
    add_member(zip.get(), name + std::string(kSuffix), bytes);
  }
  if (zip_close(zip.get()) != 0) fail_to_write(zip_strerror(zip.get()));
  static_cast<void>(zip.release());
  return bytes_of(source.get());
}

}  // namespace qloom::data
