// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A program's folder out of an archive: member "text" is the text, the others are the arrays beside
// it; digests are made right, so that what lies behind them is read.
#pragma once

#include "host/data/arrays/npz.hpp"
#include "host/json/text.hpp"
#include "host/program/document.hpp"
#include "tests/fuzz/input.hpp"
#include "tests/fuzz/zip_mutation.hpp"

namespace qloom::fuzz {

inline std::span<const std::uint8_t> bytes_of(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

/// The text with the digests that the file's reader expects.
inline std::string with_digests(const std::string& text, const data::Bytes& arrays,
                                const program::DocumentForm& form) {
  json::Json document = json::parse(text, "text");
  if (!document.is_object()) return text;
  document["constants"] = program::to_json(program::hash_of(arrays), form.arrays);
  document["digest"] = program::digest_of(document);
  return document.dump();
}

/// use(folder), with the archive's files in the folder.
template <class Use>
int uses_folder(const std::uint8_t* bytes, std::size_t size, const InputFile& file,
                const program::DocumentForm& form, const Use& use) {
  std::map<std::string, data::Bytes> members = members_of(bytes, size);
  const data::Bytes content = members["text"];
  members.erase("text");
  return reads_or_refuses([&] {
    const data::Bytes arrays = members.empty() ? data::Bytes{} : data::zip_bytes(members);
    const std::string text = with_digests({content.begin(), content.end()}, arrays, form);
    const std::filesystem::path folder = file.with(bytes_of(text)).parent_path();
    std::ofstream out(folder / form.arrays, std::ios::binary | std::ios::trunc);
    out.write(reinterpret_cast<const char*>(arrays.data()),
              static_cast<std::streamsize>(arrays.size()));
    out.close();
    use(folder);
  });
}

/// A finding unless all values are of the type.
inline void require_held(std::span<const std::int64_t> values, const program::Type& type) {
  const program::Interval held = type.values();
  for (const std::int64_t value : values) {
    if (value < held.lo || value > held.hi) std::abort();
  }
}

}  // namespace qloom::fuzz
