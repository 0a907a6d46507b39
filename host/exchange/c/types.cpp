// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/exchange/c/types.hpp"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

namespace qloom::exchange::c {
namespace {

constexpr std::size_t kLineLength = 100;

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

}  // namespace

std::string CType::text() const { return fmt::format("{}int{}_t", is_signed ? "" : "u", bits); }

CType stored(Interval values) {
  const int needed = steps::bits_of(values);
  int bits = 8;
  while (bits < needed) bits *= 2;
  return {values.lo < 0, bits};
}

CType stored(const program::Tensor& tensor) { return stored(tensor.type.values()); }

CType working(Interval values) {
  using Narrow = std::numeric_limits<std::int32_t>;
  const bool is_narrow = values.lo >= Narrow::min() && values.hi <= Narrow::max();
  return {true, is_narrow ? 32 : 64};
}

Interval range_of(const std::vector<std::int64_t>& values) {
  const auto [lo, hi] = std::minmax_element(values.begin(), values.end());
  return {*lo, *hi};
}

std::string literal(std::int64_t value) {
  if (value >= 0) return fmt::format("{}", value);
  // -n is an operator on n, which has to fit as well: also the 32-bit minimum stays an int.
  if (value == std::numeric_limits<std::int64_t>::min() ||
      value == std::numeric_limits<std::int32_t>::min()) {
    return fmt::format("({} - 1)", value + 1);
  }
  return fmt::format("({})", value);
}

std::string identifier(const std::string& name) {
  std::string text;
  for (const char c : name) text += is_plain(c) ? c : '_';
  return text;
}

std::string quoted(const std::string& name) {
  std::string text = "\"";
  for (const char c : name) {
    const bool stays = is_plain(c) || (c >= ' ' && c <= '~' && c != '"' && c != '\\' && c != '?');
    text += stays ? std::string(1, c) : fmt::format("\\{:03o}", static_cast<unsigned char>(c));
  }
  return text + "\"";
}

std::string commented(const std::string& name) {
  std::string text;
  for (const char c : name) {
    text += is_plain(c) || c == '.' || c == '-' || c == ' ' || c == ',' || c == ':' ? c : '_';
  }
  return text;
}

std::string array(const std::string& name, const std::vector<std::int64_t>& values) {
  std::string text = fmt::format("static const {} {}[{}] = {{", stored(range_of(values)).text(),
                                 name, values.size());
  std::string line;
  const auto end_line = [&] {
    text += "\n  " + line;
    line.clear();
  };
  for (const std::int64_t value : values) {
    // In an initializer a sign needs no parentheses.
    const bool is_smallest = value == std::numeric_limits<std::int64_t>::min();
    const std::string number = is_smallest ? literal(value) : fmt::format("{}", value);
    if (line.size() + number.size() + 4 > kLineLength) end_line();
    line += (line.empty() ? "" : " ") + number + ",";
  }
  end_line();
  return text + "\n};\n";
}

void Text::put(const std::string& line) {
  all_ += line.empty() ? "\n" : std::string(2 * depth_, ' ') + line + "\n";
}

void Text::open(const std::string& head) {
  put(head + " {");
  ++depth_;
}

void Text::loop(const std::string& variable, std::int64_t count) {
  open(fmt::format("for (int32_t {0} = 0; {0} < {1}; ++{0})", variable, count));
}

void Text::close(int blocks) {
  for (int i = 0; i < blocks; ++i) {
    --depth_;
    put("}");
  }
}

}  // namespace qloom::exchange::c
