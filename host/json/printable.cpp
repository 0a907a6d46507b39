// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/json/printable.hpp"

#include <cstdint>

#include <fmt/format.h>

namespace qloom::json {
namespace {

/// The character at `at`: its code point and bytes; 0 bytes where there is no UTF-8 (RFC 3629).
struct Character {
  std::uint32_t code = 0;
  std::size_t bytes = 0;
};

Character character(std::string_view text, std::size_t at) {
  const auto byte = [&text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(at);
  if (first < 0x80) return {first, 1};
  const std::size_t bytes = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || at + bytes > text.size()) return {};
  std::uint32_t code = first & (0x7FU >> bytes);
  for (std::size_t i = at + 1; i < at + bytes; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {};
    code = code << 6 | (byte(i) & 0x3FU);
  }
  constexpr std::uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};  // by bytes
  const bool is_surrogate = code >= 0xD800 && code <= 0xDFFF;
  if (code < kLeast[bytes] || code > 0x10FFFF || is_surrogate) return {};
  return {code, bytes};
}

bool is_control(std::uint32_t code) {
  return code < 0x20 || (code >= 0x7F && code <= 0x9F) ||
         (code >= 0x200E && code <= 0x200F) ||  // direction marks
         (code >= 0x2028 && code <= 0x202E) ||  // line separators, direction overrides
         (code >= 0x2066 && code <= 0x2069);    // direction isolates
}

std::string escape(std::uint32_t code) {
  if (code == '\n') return "\\n";
  if (code == '\t') return "\\t";
  if (code == '\r') return "\\r";
  return code < 0x100 ? fmt::format("\\x{:02x}", code) : fmt::format("\\u{:04x}", code);
}

}  // namespace

bool is_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t bytes = character(text, at).bytes;
    if (bytes == 0) return false;
    at += bytes;
  }
  return true;
}

std::string printable(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const Character c = character(text, at);
    if (c.bytes == 0) {
      out += escape(static_cast<unsigned char>(text[at++]));
      continue;
    }
    out += is_control(c.code) ? escape(c.code) : std::string(text.substr(at, c.bytes));
    at += c.bytes;
  }
  return out;
}

std::string printable_json(const Json& value, int indent) {
  const std::string text = value.dump(indent, ' ', false, Json::error_handler_t::replace);
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const Character c = character(text, at);
    const bool is_layout = c.code == '\n';  // of the dump: in a string it is an escape already
    out += is_control(c.code) && !is_layout ? fmt::format("\\u{:04x}", c.code)
                                            : text.substr(at, c.bytes);
    at += c.bytes;
  }
  return out;
}

}  // namespace qloom::json
