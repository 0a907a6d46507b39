// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/program/constants.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <span>
#include <variant>

#include <fmt/format.h>

#include "host/data/arrays/npy.hpp"
#include "host/data/arrays/npz.hpp"
#include "host/json/names.hpp"
#include "host/tensor/error.hpp"

namespace qloom::program {
namespace {

constexpr const char* kFormatArray = "format";

template <class T, class Value>
data::Bytes npy_of(const char* type, const Shape& shape, const std::vector<Value>& values) {
  const std::string header = data::npy_header(type, shape);
  data::Bytes bytes(header.size() + values.size() * sizeof(T));
  std::copy(header.begin(), header.end(), bytes.begin());
  std::uint8_t* to = bytes.data() + header.size();
  for (const Value value : values) {
    const T stored = static_cast<T>(value);
    std::memcpy(to, &stored, sizeof(T));
    to += sizeof(T);
  }
  return bytes;
}

template <class T>
bool all_in(const std::vector<std::int64_t>& values) {
  using Limits = std::numeric_limits<T>;
  return std::all_of(values.begin(), values.end(), [](std::int64_t value) {
    return value >= Limits::min() && value <= Limits::max();
  });
}

}  // namespace

ConstantsWriter::ConstantsWriter() { add(kFormatArray, {1}, std::vector<std::int64_t>{kFormat}); }

void ConstantsWriter::add(const std::string& name, const Shape& shape,
                          const std::vector<std::int64_t>& values) {
  data::Bytes& member = members_[name];
  if (all_in<std::int8_t>(values)) {
    member = npy_of<std::int8_t>("|i1", shape, values);
  } else if (all_in<std::int16_t>(values)) {
    member = npy_of<std::int16_t>("<i2", shape, values);
  } else if (all_in<std::int32_t>(values)) {
    member = npy_of<std::int32_t>("<i4", shape, values);
  } else {
    member = npy_of<std::int64_t>("<i8", shape, values);
  }
}

void ConstantsWriter::add(const std::string& name, const Shape& shape,
                          const std::vector<double>& values) {
  members_[name] = npy_of<double>("<f8", shape, values);
}

void ConstantsWriter::add(const std::string& name, const Shape& shape,
                          const std::vector<float>& values) {
  members_[name] = npy_of<float>("<f4", shape, values);
}

data::Bytes ConstantsWriter::bytes() const { return data::zip_bytes(members_); }

data::FileHash hash_of(const data::Bytes& bytes) {
  data::Hash hash;
  hash.add(bytes.data(), bytes.size());
  return {bytes.size(), data::digest_text(hash.digest())};
}

json::Json to_json(const data::FileHash& hash, const std::string& file) {
  return {{"file", file}, {"bytes", hash.bytes}, {"digest", hash.digest}};
}

ConstantsReader::ConstantsReader(const std::filesystem::path& file, const data::FileHash& expected,
                                 const std::string& where)
    : file_(file.string()) {
  const data::FileHash found = hash_of(data::read_bytes(file));
  if (found != expected) {
    throw InputError(fmt::format("{}: {} bytes with the digest {}, expected {} with {} ({})", file_,
                                 found.bytes, found.digest, expected.bytes, expected.digest,
                                 where));
  }
  members_ = data::read_members(file);
  if (integers(kFormatArray, {1}, where)[0] != kFormat) {
    throw InputError(fmt::format("{}: another number than {}", place(kFormatArray), kFormat));
  }
}

std::string ConstantsReader::place(const std::string& name) const {
  return fmt::format("{}: member \"{}.npy\"", file_, name);
}

const data::Bytes& ConstantsReader::member(const std::string& name, const std::string& where) {
  const auto found = members_.find(name);
  if (found == members_.end()) {
    std::vector<std::string> names;
    for (const auto& [other, bytes] : members_) names.push_back(other);
    throw InputError(fmt::format("{}: no array \"{}\"{} ({})", file_, name,
                                 json::nearest_or_known(name, names), where));
  }
  read_.insert(name);
  return found->second;
}

ConstantsReader::Integers ConstantsReader::integers_of_rank(std::size_t rank,
                                                            const std::string& name,
                                                            const std::string& where) {
  const data::RawArray raw = data::parse_npy(member(name, where), place(name));
  if (raw.shape.size() != rank) {
    throw InputError(fmt::format("{}: shape {}, expected {} axes ({})", place(name),
                                 data::shape_text(raw.shape), rank, where));
  }
  if (raw.fortran_order && rank > 1) {
    throw InputError(fmt::format("{}: Fortran order, expected C order ({})", place(name), where));
  }
  return {raw.shape, data::to_integers(raw, place(name))};
}

std::vector<std::int64_t> ConstantsReader::integers(const std::string& name, const Shape& shape,
                                                    const std::string& where) {
  Integers found = integers_of_rank(shape.size(), name, where);
  if (found.shape == shape) return std::move(found.values);
  throw InputError(fmt::format("{}: shape {}, expected {} ({})", place(name),
                               data::shape_text(found.shape), data::shape_text(shape), where));
}

std::vector<double> ConstantsReader::reals(const std::string& name, const std::string& where) {
  data::Array array =
      data::to_array(data::parse_npy(member(name, where), place(name)), place(name));
  auto* values = std::get_if<std::vector<double>>(&array.values);
  if (values != nullptr && array.shape.size() == 1) return std::move(*values);
  throw InputError(fmt::format("{}: shape {}, expected a list of float64 ({})", place(name),
                               data::shape_text(array.shape), where));
}

std::vector<float> ConstantsReader::factors(const std::string& name, const std::string& where) {
  data::Array array =
      data::to_array(data::parse_npy(member(name, where), place(name)), place(name));
  auto* values = std::get_if<std::vector<float>>(&array.values);
  if (values != nullptr && array.shape.size() == 2 && array.shape[1] == 1) {
    return std::move(*values);
  }
  throw InputError(fmt::format("{}: shape {}, expected (n, 1) of float32 ({})", place(name),
                               data::shape_text(array.shape), where));
}

void ConstantsReader::require_all_read() const {
  for (const auto& [name, bytes] : members_) {
    if (read_.contains(name)) continue;
    throw InputError(fmt::format("{}: an array that the program does not name", place(name)));
  }
}

}  // namespace qloom::program
