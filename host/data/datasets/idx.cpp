// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Reference: LeCun, Cortes, Burges, "The MNIST database", section "FILE FORMATS".
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "host/data/datasets/split.hpp"
#include "host/tensor/error.hpp"

namespace qloom::data {
namespace {

struct IdxType {
  std::uint8_t code;
  char kind;
  std::uint32_t size;
  const char* name;
};
constexpr IdxType kTypes[] = {{0x08, 'u', 1, "uint8"},   {0x09, 'i', 1, "int8"},
                              {0x0B, 'i', 2, "int16"},   {0x0C, 'i', 4, "int32"},
                              {0x0D, 'f', 4, "float32"}, {0x0E, 'f', 8, "float64"}};

const IdxType* find_type(std::uint8_t code) {
  for (const IdxType& type : kTypes) {
    if (type.code == code) return &type;
  }
  return nullptr;
}

}  // namespace

namespace {

/// What an IDX file says before its elements; nothing when `bytes` end before it does, and how many
/// it takes in `needed`.
std::optional<RawArray> parse_idx_header(std::span<const std::uint8_t> bytes,
                                         const std::string& where, std::uint64_t& needed) {
  needed = 4;
  if (bytes.size() < needed) return {};
  const IdxType* type = find_type(bytes[2]);
  if (bytes[0] != 0 || bytes[1] != 0 || type == nullptr || bytes[3] == 0) {
    throw InputError(fmt::format(
        "{}: magic {:02X} {:02X} {:02X} {:02X}, expected that of an IDX file: 00 00, type "
        "08 09 0B 0C 0D or 0E, number of axes",
        where, bytes[0], bytes[1], bytes[2], bytes[3]));
  }
  needed = 4 + 4 * std::uint64_t{bytes[3]};
  if (bytes.size() < needed) return {};
  RawArray raw;
  raw.kind = type->kind;
  raw.size = type->size;
  raw.type = type->name;
  raw.big_endian = true;
  for (std::size_t at = 4; at < needed; at += 4) {
    raw.shape.push_back(std::int64_t{bytes[at]} << 24 | std::int64_t{bytes[at + 1]} << 16 |
                        std::int64_t{bytes[at + 2]} << 8 | std::int64_t{bytes[at + 3]});
  }
  if (checked_count(raw.shape) < 0) {
    throw InputError(fmt::format("{}: shape {} is too large", where, shape_text(raw.shape)));
  }
  return raw;
}

std::uint64_t bytes_of(const RawArray& raw) {
  return static_cast<std::uint64_t>(checked_count(raw.shape)) * raw.size;
}

}  // namespace

std::optional<std::uint64_t> idx_size(std::span<const std::uint8_t> bytes,
                                      const std::string& where) {
  std::uint64_t header = 0;
  const std::optional<RawArray> raw = parse_idx_header(bytes, where, header);
  if (!raw) return {};
  return header + bytes_of(*raw);
}

RawArray parse_idx(std::span<const std::uint8_t> bytes, const std::string& where) {
  const auto truncated = [&](std::uint64_t expected) {
    throw InputError(
        fmt::format("{}: truncated, {} bytes, expected {}", where, bytes.size(), expected));
  };
  std::uint64_t header = 0;
  std::optional<RawArray> parsed = parse_idx_header(bytes, where, header);
  if (!parsed) truncated(header);
  RawArray raw = std::move(*parsed);
  const std::uint64_t expected = header + bytes_of(raw);
  if (bytes.size() < expected) truncated(expected);
  if (bytes.size() > expected) {
    throw InputError(fmt::format("{}: {} bytes follow the {} of shape {}, expected none", where,
                                 bytes.size() - expected, expected, shape_text(raw.shape)));
  }
  raw.bytes = bytes.subspan(header);
  return raw;
}

}  // namespace qloom::data
