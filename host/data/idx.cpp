// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Reference: LeCun, Cortes, Burges, "The MNIST database", section "FILE FORMATS".
#include <fmt/format.h>

#include "host/data/split.hpp"
#include "host/tensor/error.hpp"

namespace qloom::data {
namespace {

struct IdxType {
  std::uint8_t code;
  char kind;
  std::uint32_t size;
  const char* name;
};
constexpr IdxType kTypes[] = {{0x08, 'u', 1, "uint8"}, {0x09, 'i', 1, "int8"},
                              {0x0B, 'i', 2, "int16"}, {0x0C, 'i', 4, "int32"},
                              {0x0D, 'f', 4, "float32"}, {0x0E, 'f', 8, "float64"}};

const IdxType* find_type(std::uint8_t code) {
  for (const IdxType& type : kTypes) {
    if (type.code == code) return &type;
  }
  return nullptr;
}

}  // namespace

RawArray parse_idx(std::span<const std::uint8_t> bytes, const std::string& where) {
  const auto truncated = [&](std::uint64_t expected) {
    throw InputError(
        fmt::format("{}: truncated, {} bytes, expected {}", where, bytes.size(), expected));
  };
  if (bytes.size() < 4) truncated(4);
  const IdxType* type = find_type(bytes[2]);
  if (bytes[0] != 0 || bytes[1] != 0 || type == nullptr || bytes[3] == 0) {
    throw InputError(fmt::format(
        "{}: magic {:02X} {:02X} {:02X} {:02X}, expected that of an IDX file: 00 00, type "
        "08 09 0B 0C 0D or 0E, number of axes",
        where, bytes[0], bytes[1], bytes[2], bytes[3]));
  }
  const std::size_t header = 4 + 4 * std::size_t{bytes[3]};
  if (bytes.size() < header) truncated(header);
  RawArray raw;
  raw.kind = type->kind;
  raw.size = type->size;
  raw.type = type->name;
  raw.big_endian = true;
  for (std::size_t at = 4; at < header; at += 4) {
    raw.shape.push_back(std::int64_t{bytes[at]} << 24 | std::int64_t{bytes[at + 1]} << 16 |
                        std::int64_t{bytes[at + 2]} << 8 | std::int64_t{bytes[at + 3]});
  }
  const std::int64_t count = checked_count(raw.shape);
  if (count < 0) {
    throw InputError(fmt::format("{}: shape {} is too large", where, shape_text(raw.shape)));
  }
  const std::uint64_t expected = header + static_cast<std::uint64_t>(count) * raw.size;
  if (bytes.size() < expected) truncated(expected);
  if (bytes.size() > expected) {
    throw InputError(fmt::format("{}: {} bytes follow the {} of shape {}, expected none", where,
                                 bytes.size() - expected, expected, shape_text(raw.shape)));
  }
  raw.bytes = bytes.subspan(header);
  return raw;
}

}  // namespace qloom::data
