// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/compile/routes/fit.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace qloom::compile {
namespace {

using Integers = std::vector<std::int64_t>;
__extension__ using Wide = __int128;

/// The line factor * v + offset, in units of 2^shift, has to lie at k or above at v, or below k.
struct Condition {
  std::int64_t k, v;
};

/// Conditions of a channel: a threshold inside of the range is one of each, one at its low end only
/// has to be reached, one beyond its high end only must not be.
struct Conditions {
  std::vector<Condition> reached, below;

  Conditions(const Integers& thresholds, steps::Interval range) {
    for (std::size_t i = 0; i < thresholds.size(); ++i) {
      const auto k = static_cast<std::int64_t>(i) + 1;
      const std::int64_t t = thresholds[i];
      if (t <= range.hi) reached.push_back({k, t});
      if (t > range.lo) below.push_back({k, std::min(t - 1, range.hi)});
    }
  }
  /// Room for the offset at this slope; there is one where it is positive. Concave in the slope.
  [[nodiscard]] double room(double slope) const {
    constexpr double kNone = std::numeric_limits<double>::infinity();
    double low = -kNone, high = kNone;
    for (const Condition& c : reached) {
      low = std::max(low, static_cast<double>(c.k) - slope * static_cast<double>(c.v));
    }
    for (const Condition& c : below) {
      high = std::min(high, static_cast<double>(c.k) - slope * static_cast<double>(c.v));
    }
    return high - low;
  }
  /// An offset for this factor and shift, in exact integers.
  [[nodiscard]] std::optional<std::int64_t> offset(std::int64_t factor, int shift) const {
    constexpr Wide kFar = Wide{1} << 100;
    Wide low = -kFar, high = kFar;
    for (const Condition& c : reached) {
      low = std::max(low, (Wide{c.k} << shift) - Wide{factor} * c.v);
    }
    for (const Condition& c : below) {
      high = std::min(high, (Wide{c.k} << shift) - Wide{factor} * c.v - 1);
    }
    if (low > high) return std::nullopt;
    const Wide middle = low == -kFar ? high : high == kFar ? low : low + (high - low) / 2;
    constexpr Wide kLargest = Wide{1} << 62;
    if (middle < -kLargest || middle > kLargest) return std::nullopt;
    return static_cast<std::int64_t>(middle);
  }
};

/// Slopes between which there is room for an offset.
struct Slopes {
  double low = 0, high = 0;
};

/// The ends of the interval in which room() is positive; nothing where it never is.
std::optional<Slopes> slopes_of(const Conditions& conditions, double largest) {
  double a = 0, b = largest;
  for (int i = 0; i < 200; ++i) {
    const double left = a + (b - a) / 3, right = b - (b - a) / 3;
    (conditions.room(left) < conditions.room(right) ? a : b) =
        conditions.room(left) < conditions.room(right) ? left : right;
  }
  const double best = (a + b) / 2;
  if (!(conditions.room(best) > 0)) return std::nullopt;
  const auto end = [&](double outside) {
    double inside = best;
    for (int i = 0; i < 100; ++i) {
      const double middle = (inside + outside) / 2;
      (conditions.room(middle) > 0 ? inside : outside) = middle;
    }
    return inside;
  };
  return Slopes{end(0), end(largest)};
}

}  // namespace

std::optional<Multiplier> fit(const Integers& thresholds, steps::Interval range, int bits) {
  const Conditions conditions(thresholds, range);
  // A code for each value is the steepest line that there is: ten times that is beyond all.
  const double largest = 10.0 * static_cast<double>(thresholds.size() + 1);
  const std::optional<Slopes> slopes = slopes_of(conditions, largest);
  if (!slopes) return std::nullopt;
  const double most = std::ldexp(1.0, bits) - 1;
  for (int shift = 0; shift <= 62; ++shift) {
    const double low = std::ceil(std::ldexp(slopes->low, shift));
    const double high = std::min(most, std::floor(std::ldexp(slopes->high, shift)));
    if (low > most) break;
    if (low > high) continue;
    const double middle = std::floor((low + high) / 2);
    for (const double factor :
         {middle, low, high, std::max(low, middle - 1), std::min(high, middle + 1)}) {
      const auto m = static_cast<std::int64_t>(factor);
      if (const auto b = conditions.offset(m, shift)) return Multiplier{m, *b, shift};
    }
  }
  return std::nullopt;
}

Fitted fit(const Thresholds& t, int bits) {
  using steps::Op;
  using steps::Rounding;
  constexpr Rounding kDown = Rounding::kTowardNegative;
  Fitted fitted;
  Integers factors, offsets, shifts;
  for (std::size_t c = 0; c < t.direction.size(); ++c) {
    const auto first = t.constants.begin() + static_cast<std::int64_t>(c) * t.count;
    const auto found = fit(Integers(first, first + t.count), t.range[c], bits);
    if (!found) continue;
    ++fitted.channels;
    factors.push_back(t.direction[c] * found->factor);
    offsets.push_back(found->offset);
    shifts.push_back(found->shift);
  }
  if (fitted.channels < t.direction.size()) return fitted;
  fitted.steps = {{Op::kMultiply, kDown, factors, 1},
                  {Op::kAdd, kDown, offsets, 1},
                  {Op::kShiftRight, kDown, shifts, 1},
                  {Op::kClamp, kDown, {0, t.count}, 2}};
  if (t.base != 0) fitted.steps.push_back({Op::kAdd, kDown, {t.base}, 1});
  return fitted;
}

}  // namespace qloom::compile
