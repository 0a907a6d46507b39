// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Mutations that reach what lies inside an archive: of bytes that are one, a member is changed and
// the archive is written anew, so that its checksums are right. Of other bytes, and now and then of
// an archive as well, the bytes themselves are changed.
#pragma once

#include <algorithm>
#include <cstring>
#include <iterator>
#include <map>
#include <string>

#include <zip.h>

#include "host/data/arrays/npz.hpp"
#include "host/tensor/error.hpp"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t most);

namespace qloom::fuzz {

/// The members of an archive with all their bytes, whatever these are; none when it is no archive.
inline std::map<std::string, data::Bytes> members_of(const std::uint8_t* bytes, std::size_t size) {
  constexpr std::size_t kMostBytes = std::size_t{1} << 16;  // of a member: inputs are small
  std::map<std::string, data::Bytes> members;
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* source = zip_source_buffer_create(bytes, size, 0, &error);
  zip_t* zip = source == nullptr ? nullptr : zip_open_from_source(source, ZIP_RDONLY, &error);
  if (zip == nullptr) {
    zip_source_free(source);
    zip_error_fini(&error);
    return members;
  }
  for (zip_int64_t i = 0; i < zip_get_num_entries(zip, 0); ++i) {
    const auto index = static_cast<zip_uint64_t>(i);
    const char* name = zip_get_name(zip, index, 0);
    zip_file_t* file = zip_fopen_index(zip, index, 0);
    if (name == nullptr || file == nullptr) continue;
    data::Bytes content(kMostBytes);
    const zip_int64_t n = zip_fread(file, content.data(), content.size());
    zip_fclose(file);
    content.resize(static_cast<std::size_t>(std::max<zip_int64_t>(n, 0)));
    std::string stem = name;
    if (stem.ends_with(".npy")) stem.resize(stem.size() - 4);
    members[stem] = std::move(content);
  }
  zip_discard(zip);
  zip_error_fini(&error);
  return members;
}

/// As LLVMFuzzerCustomMutator.
inline std::size_t mutate_zip(std::uint8_t* bytes, std::size_t size, std::size_t most,
                              unsigned seed) {
  std::map<std::string, data::Bytes> members = members_of(bytes, size);
  if (members.empty() || seed % 8 == 0) return LLVMFuzzerMutate(bytes, size, most);
  auto chosen = std::next(members.begin(), static_cast<long>(seed / 8 % members.size()));
  data::Bytes& content = chosen->second;
  const std::size_t had = content.size();
  content.resize(std::min(had + 256, most));
  content.resize(LLVMFuzzerMutate(content.data(), std::min(had, content.size()), content.size()));
  const data::Bytes archive = data::zip_bytes(members);
  if (archive.size() > most) return LLVMFuzzerMutate(bytes, size, most);
  std::memcpy(bytes, archive.data(), archive.size());
  return archive.size();
}

}  // namespace qloom::fuzz
