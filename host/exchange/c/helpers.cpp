// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/exchange/c/helpers.hpp"

#include <array>

#include <fmt/format.h>

namespace qloom::exchange::c {
namespace {

/// `text` with $i, $u, $b and $name filled in.
std::string filled(std::string text, const std::string& name, int bits) {
  const std::array<std::pair<std::string, std::string>, 4> words = {
      {{"$name", name},
       {"$i", fmt::format("int{}_t", bits)},
       {"$u", fmt::format("uint{}_t", bits)},
       {"$b", fmt::format("{}", bits)}}};
  for (const auto& [word, with] : words) {
    for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at)) {
      text.replace(at, word.size(), with);
    }
  }
  return text;
}

/// When the rounded result is one above the floor; of rest = v - low * whole and twice = 2 * rest.
const char* is_above(steps::Rounding rounding) {
  switch (rounding) {
    case steps::Rounding::kNearestEven:
      return "twice > whole || (twice == whole && low % 2 != 0)";
    case steps::Rounding::kNearestAway:
      return "twice > whole || (twice == whole && v > 0)";
    case steps::Rounding::kNearestUp:
      return "twice >= whole";
    case steps::Rounding::kTowardZero:
      return "v < 0 && twice != 0";
    case steps::Rounding::kTowardNegative:
      return "";
    case steps::Rounding::kTowardPositive:
      return "twice != 0";
  }
  return "";
}

/// C leaves open how a negative number is shifted right: here only others are.
constexpr const char* kFloor = R"(/* v / 2^n, rounded down */
static $i $name($i v, int32_t n) {
  return v >= 0 ? v >> n : -1 - ((-1 - v) >> n);
}
)";
constexpr const char* kRounded = R"(/* v / 2^n, rounded: $rounding */
static $i $name($i v, int32_t n) {
  const $i low = v >= 0 ? v >> n : -1 - ((-1 - v) >> n);
  const $u whole = ($u)1 << n;
  const $u twice = (($u)v & (whole - 1)) * 2;
  return low + ($above ? 1 : 0);
}
)";
constexpr const char* kRoundedWhole = R"(/* v / 2^n, rounded: $rounding */
static $i $name($i v, int32_t n) {
  const $i low = v >= 0 ? v >> n : -1 - ((-1 - v) >> n);
  const $u twice = (($u)v & ((($u)1 << n) - 1)) * 2;
  return low + ($above ? 1 : 0);
}
)";
constexpr const char* kWrap = R"(/* the last n bits as a number in two's complement */
static $i $name($u v, int32_t n) {
  const $u mask = ~($u)0 >> ($b - n);
  const $u last = v & mask;
  return last <= mask >> 1 ? ($i)last : -1 - ($i)(mask - last);
}
)";
constexpr const char* kSaturate = R"(/* the nearest number of n bits in two's complement */
static $i $name($i v, int32_t n) {
  const $i high = ($i)((($u)1 << (n - 1)) - 1);
  return v > high ? high : v < -1 - high ? -1 - high : v;
}
)";
constexpr const char* kCount = R"(/* how many of n ascending numbers are at most v */
static int32_t $name(const $element *at, int32_t n, $i v) {
  int32_t low = 0;
  while (n > 0) {
    const int32_t half = n / 2;
    if (($i)at[low + half] <= v) {
      low += half + 1;
      n -= half + 1;
    } else {
      n = half;
    }
  }
  return low;
}
)";

std::string with(std::string text, const std::string& word, const std::string& what) {
  const std::size_t at = text.find(word);
  return at == std::string::npos ? text : text.replace(at, word.size(), what);
}

}  // namespace

std::string Source::need(const std::string& name, const std::string& text) {
  helpers_.emplace(name, text);
  return name;
}

std::string Source::shift_right(steps::Rounding rounding, int bits) {
  const std::string word = steps::name_of(rounding), name = fmt::format("{}_{}", word, bits);
  const std::string above = is_above(rounding);
  const bool reads_whole = above.find("whole") != std::string::npos;
  const std::string form = above.empty() ? kFloor : reads_whole ? kRounded : kRoundedWhole;
  return need(name, filled(with(with(form, "$rounding", word), "$above", above), name, bits));
}

std::string Source::wrap(int bits) {
  const std::string name = fmt::format("wrap_{}", bits);
  return need(name, filled(kWrap, name, bits));
}

std::string Source::saturate(int bits) {
  const std::string name = fmt::format("saturate_{}", bits);
  return need(name, filled(kSaturate, name, bits));
}

std::string Source::count(CType element, int bits) {
  const std::string name =
      fmt::format("count_{}{}_{}", element.is_signed ? "s" : "u", element.bits, bits);
  return need(name, filled(with(kCount, "$element", element.text()), name, bits));
}

std::string Source::field(int field_bits) {
  const std::string name = fmt::format("field_{}", field_bits);
  const int in_byte = 8 / field_bits, shift = field_bits == 1 ? 3 : field_bits == 2 ? 2 : 1;
  return need(name, fmt::format("/* field k of {0} bits, little end first */\n"
                                "static int32_t {1}(const uint8_t *at, int32_t k) {{\n"
                                "  return (at[k >> {2}] >> ((k & {3}) * {0})) & {4};\n}}\n",
                                field_bits, name, shift, in_byte - 1, (1 << field_bits) - 1));
}

std::string Source::helpers() const {
  std::string text;
  for (const auto& [name, helper] : helpers_) text += helper + "\n";
  return text;
}

}  // namespace qloom::exchange::c
