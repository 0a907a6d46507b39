// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/data/arrays/array_file.hpp"

#include <deque>
#include <span>
#include <string>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "host/data/arrays/npy.hpp"
#include "host/data/arrays/npz.hpp"
#include "host/data/file.hpp"
#include "host/data/temporary.hpp"
#include "host/tensor/error.hpp"

namespace qloom::data {
namespace fs = std::filesystem;

Tensor read_npy(const fs::path& file) {
  const Bytes bytes = read_bytes(file);
  const RawArray raw = parse_npy(bytes, file.string());
  if (!raw.is('f', 4)) {
    throw InputError(
        fmt::format("{}: element type '{}', expected float32 ('<f4')", file.string(), raw.type));
  }
  Tensor tensor(raw.shape);
  copy_elements(raw, tensor.data());
  return tensor;
}

Array read_npy_any(const fs::path& file) {
  const Bytes bytes = read_bytes(file);
  return to_array(parse_npy(bytes, file.string()), file.string());
}

Array read_npy_integers(const fs::path& file) {
  const Bytes bytes = read_bytes(file);
  const RawArray raw = parse_npy(bytes, file.string());
  return {raw.shape, to_integers(raw, file.string())};
}

void write_npy(const fs::path& file, const Tensor& tensor) {
  const std::string header = npy_header("<f4", tensor.shape());
  Bytes bytes(header.size() + tensor.size() * sizeof(float));
  std::copy(header.begin(), header.end(), bytes.begin());
  if (!tensor.empty()) {
    std::memcpy(bytes.data() + header.size(), tensor.data(), tensor.size() * sizeof(float));
  }
  write_bytes(file, bytes);
}

void write_npy(const fs::path& file, const Shape& shape, const std::vector<std::int32_t>& values) {
  write_bytes(file, npy_bytes({shape, values}));
}

Arrays read_npz(const fs::path& file) {
  Arrays arrays;
  for (const auto& [name, bytes] : read_members(file)) {
    const std::string where = fmt::format("{}: member \"{}.npy\"", file.string(), name);
    arrays.emplace(name, to_array(parse_npy(bytes, where), where));
  }
  return arrays;
}

void write_npz(const fs::path& file, const Arrays& arrays) {
  std::map<std::string, Bytes> members;
  for (const auto& [name, array] : arrays) members.emplace(name, npy_bytes(array));
  write_bytes(file, zip_bytes(members));
}

std::string read_text(const fs::path& file) {
  const Bytes bytes = read_bytes(file);
  return {bytes.begin(), bytes.end()};
}

void write_text(const fs::path& file, const std::string& text) {
  write_bytes(file, std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
}

void write_texts(const std::vector<std::pair<fs::path, std::string>>& files, Replace replace) {
  std::deque<StagedFile> staged;
  for (const auto& [file, text] : files) {
    staged.emplace_back(file,
                        std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
  }
  if (replace == Replace::kAsOne && !files.empty()) {
    std::error_code told_by_commit;
    fs::remove(files.back().first, told_by_commit);
  }
  for (StagedFile& file : staged) file.commit();
}

void require_writable_folder(const fs::path& folder) {
  const auto fail = [&folder](const std::string& why) {
    throw InputError(fmt::format("{}: {}, expected a folder in which files can be created",
                                 folder.string(), why));
  };
  if (folder.empty()) fail("an empty path");
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) fail(error.message());
  remove_leftovers(folder);
  try {
    const StagedFile probe(folder / ".qloom-probe", {});  // never committed
  } catch (const RunError& e) {
    fail(e.what());
  }
}

}  // namespace qloom::data
