// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/steps/step.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

namespace qloom::steps {
namespace {

struct Name {
  const char* name;
  const char* sign;  ///< for text_of()
};

constexpr std::array<Name, 10> kOps = {{{"add", "+"},
                                        {"multiply", "*"},
                                        {"shift_left", "<<"},
                                        {"shift_right", ">>"},
                                        {"clamp", "clamp"},
                                        {"count", "count"},
                                        {"wrap", "wrap"},
                                        {"saturate", "saturate"},
                                        {"table", "table"},
                                        {"float_scale", "float *"}}};
constexpr std::array<const char*, 6> kRoundings = {"nearest_even",    "nearest_away",
                                                   "nearest_up",      "toward_zero",
                                                   "toward_negative", "toward_positive"};

/// The number of `bits` bits in two's complement whose last bits are those of v.
std::int64_t wrapped(std::int64_t v, std::int64_t bits) {
  const auto unused = static_cast<unsigned>(64 - bits);
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(v) << unused) >> unused;
}

std::int64_t saturated(std::int64_t v, std::int64_t bits) {
  const std::int64_t high = static_cast<std::int64_t>((std::uint64_t{1} << (bits - 1)) - 1);
  return std::clamp(v, -high - 1, high);
}

}  // namespace

std::int64_t shift_right(std::int64_t v, int n, Rounding rounding) {
  const std::int64_t floor = v >> n;
  const std::int64_t rest = v - static_cast<std::int64_t>(static_cast<std::uint64_t>(floor) << n);
  const std::int64_t twice = 2 * rest, whole = std::int64_t{1} << n;  // of a rest below 2^62
  bool is_up = false;
  switch (rounding) {
    case Rounding::kNearestEven:
      is_up = twice > whole || (twice == whole && (floor & 1) != 0);
      break;
    case Rounding::kNearestAway:
      is_up = twice > whole || (twice == whole && v > 0);
      break;
    case Rounding::kNearestUp:
      is_up = twice >= whole;
      break;
    case Rounding::kTowardZero:
      is_up = v < 0 && rest != 0;
      break;
    case Rounding::kTowardNegative:
      break;
    case Rounding::kTowardPositive:
      is_up = rest != 0;
      break;
  }
  return floor + (is_up ? 1 : 0);
}

std::int64_t apply(const Step& step, std::uint64_t channel, std::int64_t v) {
  const std::span<const std::int64_t> c = step.of(channel);
  switch (step.op) {
    case Op::kAdd:
      return v + c[0];
    case Op::kMultiply:
      return v * c[0];
    case Op::kShiftLeft:
      return v * (std::int64_t{1} << c[0]);
    case Op::kShiftRight:
      return shift_right(v, static_cast<int>(c[0]), step.rounding);
    case Op::kClamp:
      return std::clamp(v, c[0], c[1]);
    case Op::kCount:
      return std::upper_bound(c.begin(), c.end(), v) - c.begin();
    case Op::kWrap:
      return wrapped(v, c[0]);
    case Op::kSaturate:
      return saturated(v, c[0]);
    case Op::kTable:
      return c[static_cast<std::size_t>(v)];
    case Op::kFloatScale:  // of a tie to the even one, as the processor rounds
      return static_cast<std::int64_t>(std::nearbyint(scaled(v, step.factor_of(channel))));
  }
  return v;  // every operation is above
}

std::int64_t apply(const Chain& chain, std::uint64_t channel, std::int64_t v) {
  for (const Step& step : chain) v = apply(step, channel, v);
  return v;
}

float scaled(std::int64_t v, float factor) { return static_cast<float>(v) * factor; }

bool is_integer(const Chain& chain) {
  return std::none_of(chain.begin(), chain.end(),
                      [](const Step& step) { return step.op == Op::kFloatScale; });
}

const char* name_of(Op op) { return kOps[static_cast<std::size_t>(op)].name; }
const char* name_of(Rounding rounding) { return kRoundings[static_cast<std::size_t>(rounding)]; }

bool find(const std::string& name, Op& op) {
  const auto found =
      std::find_if(kOps.begin(), kOps.end(), [&](const Name& n) { return name == n.name; });
  if (found != kOps.end()) op = static_cast<Op>(found - kOps.begin());
  return found != kOps.end();
}

bool find(const std::string& name, Rounding& rounding) {
  const auto found = std::find(kRoundings.begin(), kRoundings.end(), name);
  if (found != kRoundings.end()) rounding = static_cast<Rounding>(found - kRoundings.begin());
  return found != kRoundings.end();
}

std::string text_of(const Chain& chain, std::uint64_t channel) {
  std::string text;
  for (const Step& step : chain) {
    const std::span<const std::int64_t> c = step.of(channel);
    text += text.empty() ? "" : ", ";
    text += kOps[static_cast<std::size_t>(step.op)].sign;
    const bool is_list = step.op == Op::kCount || step.op == Op::kTable;
    if (is_list && c.size() > 4) {
      text += fmt::format(" {} .. {} ({} constants)", c.front(), c.back(), c.size());
    } else if (step.op == Op::kFloatScale) {
      text += fmt::format(" {}", step.factor_of(channel));
    } else {
      text += fmt::format(" {}", fmt::join(c, " "));
    }
    if (step.op == Op::kShiftRight) text += fmt::format(" {}", name_of(step.rounding));
  }
  return text;
}

}  // namespace qloom::steps
