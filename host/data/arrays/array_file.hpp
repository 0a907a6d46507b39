// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// .npy and .npz files, and text files, written to a temporary name and renamed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "host/tensor/tensor.hpp"

namespace qloom::data {

/// A named array as .npz files and checkpoints hold it. C order.
struct Array {
  Shape shape;
  std::variant<std::vector<float>, std::vector<double>, std::vector<std::int32_t>,
               std::vector<std::int64_t>, std::vector<std::uint8_t>>
      values;
};
using Arrays = std::map<std::string, Array>;

/// A float32 array of any rank from a .npy file (Fortran order is put into C order). Throws
/// InputError that names the file: missing, truncated, trailing bytes, corrupt header, not float32
/// (the found type is named).
[[nodiscard]] Tensor read_npy(const std::filesystem::path& file);
/// Any of Array's element types; others are an InputError.
[[nodiscard]] Array read_npy_any(const std::filesystem::path& file);
/// Of any integer type, as int64; other types are an InputError.
[[nodiscard]] Array read_npy_integers(const std::filesystem::path& file);
void write_npy(const std::filesystem::path& file, const Tensor& tensor);
void write_npy(const std::filesystem::path& file, const Shape& shape,
               const std::vector<std::int32_t>& values);

/// An uncompressed or deflated .npz. Throws InputError as read_npy does, naming file and member.
[[nodiscard]] Arrays read_npz(const std::filesystem::path& file);
/// Writes an uncompressed .npz (temporary file, flush to disk, rename). Same arrays, same bytes.
/// Throws RunError when the file cannot be written.
void write_npz(const std::filesystem::path& file, const Arrays& arrays);

/// Whole text; InputError when it cannot be read.
[[nodiscard]] std::string read_text(const std::filesystem::path& file);
/// Temporary file, then rename. RunError when it cannot be written.
void write_text(const std::filesystem::path& file, const std::string& text);
/// Several files: each is complete on the disk before the first takes its name; they take them in
/// order. RunError when one cannot be written; then all are as before.
/// kAsOne: the last file goes before the first is replaced and comes back behind all others: a
/// folder in which a killed writer left old files beside new ones lacks it.
enum class Replace { kEach, kAsOne };
void write_texts(const std::vector<std::pair<std::filesystem::path, std::string>>& files,
                 Replace replace = Replace::kEach);
/// Throws InputError unless files can be created in the folder (which is created when missing, with
/// its parents); leaves no trace but the folder. Temporary files of dead processes are removed.
void require_writable_folder(const std::filesystem::path& folder);

}  // namespace qloom::data
