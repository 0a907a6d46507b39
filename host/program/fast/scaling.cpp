// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// clamp(round(round((x + a) * m + b, n) + c, k)): the chains of multipliers and of shifts. What is
// added behind the last shift is added before it, as so many times 2^n: sign and bit n are those of
// v without it. What is added in front of a shift is part of v.
//
// All six roundings of v / 2^n are floor((v + add + (v < 0 ? sign : 0) + (bit n of v ? even : 0)) /
// 2^n):
//   toward_negative     add 0
//   toward_positive     add 2^n - 1
//   nearest_up          add 2^(n-1)
//   nearest_away        add 2^(n-1), sign -1: of two halves below 0 the lower one
//   nearest_even        add 2^(n-1) - 1, even 1
//   toward_zero         sign 2^n - 1
// and for n = 0 all three are 0.
#include <array>
#include <limits>
#include <optional>
#include <span>

#include "host/kernels/vectorized.hpp"
#include "host/program/fast/map.hpp"

namespace qloom::program::fast {
namespace {

using steps::Rounding;

constexpr std::int64_t kShortest = 256;  // of a period, so that tiles are worth their call
constexpr std::int64_t kMost = std::int64_t{1} << 62;

/// A rounded shift of one channel.
struct Shift {
  std::int64_t before = 0;  ///< part of v; 0 where the shift is plain, whose `add` holds it
  std::int64_t add = 0, sign = 0, even = 0, bits = 0;

  [[nodiscard]] bool is_plain() const { return sign == 0 && even == 0; }
};

Shift shift_of(std::int64_t bits, Rounding rounding) {
  Shift shift;
  shift.bits = bits;
  if (bits == 0) return shift;
  const std::int64_t half = std::int64_t{1} << (bits - 1);
  switch (rounding) {
    case Rounding::kNearestEven:
      shift.add = half - 1;
      shift.even = 1;
      break;
    case Rounding::kNearestAway:
      shift.add = half;
      shift.sign = -1;
      break;
    case Rounding::kNearestUp:
      shift.add = half;
      break;
    case Rounding::kTowardZero:
      shift.sign = 2 * half - 1;
      break;
    case Rounding::kTowardNegative:
      break;
    case Rounding::kTowardPositive:
      shift.add = 2 * half - 1;
      break;
  }
  return shift;
}

/// One channel's constants.
struct Constants {
  std::int64_t a = 0, m = 1;
  std::array<Shift, 2> shifts{};
  std::int64_t k = 0;  ///< a * m + what the first shift adds
  Interval bounds{std::numeric_limits<std::int64_t>::min(),
                  std::numeric_limits<std::int64_t>::max()};
};

__extension__ using Wide = __int128;

/// Takes one step after the other, as long as they come in the form's order.
class Reader {
 public:
  [[nodiscard]] bool take(const steps::Step& step, std::uint64_t channel) {
    const std::span<const std::int64_t> constants = step.of(channel);
    const std::int64_t c = constants.empty() ? 0 : constants[0];
    switch (step.op) {
      case steps::Op::kAdd:
        return take_sum(c);
      case steps::Op::kMultiply:
        return take_product(c);
      case steps::Op::kShiftLeft:
        return take_product(std::int64_t{1} << c);
      case steps::Op::kShiftRight:
        return take_shift(shift_of(c, step.rounding));
      case steps::Op::kClamp:
        return take_bounds({c, constants[1]});
      case steps::Op::kSaturate:
        return take_bounds(Type{.is_signed = true, .bits = static_cast<int>(c)}.values());
      case steps::Op::kCount:
      case steps::Op::kWrap:
      case steps::Op::kTable:
      case steps::Op::kFloatScale:
        return false;
    }
    return false;
  }

  /// With bounds of 32 bits, if values of this interval pass through the form within 64 bits and
  /// leave the shifts within 32.
  [[nodiscard]] std::optional<Constants> result(Interval values) const {
    Constants made = made_;
    Shift& last = made.shifts[shifts_ == made.shifts.size() ? 1 : 0];
    const Wide add = Wide{last.add} + Wide{z_} * (Wide{1} << last.bits);
    const Wide k =
        Wide{made.a} * made.m + (shifts_ == made.shifts.size() ? made.shifts[0].add : add);
    if (magnitude(add) >= kMost || magnitude(k) >= kMost) return std::nullopt;
    last.add = static_cast<std::int64_t>(add);
    made.k = static_cast<std::int64_t>(k);
    if (!passes(made, values)) return std::nullopt;
    made.bounds = {std::clamp(made.bounds.lo, k32.lo, k32.hi),
                   std::clamp(made.bounds.hi, k32.lo, k32.hi)};
    return made;
  }

 private:
  static constexpr Interval k32{std::numeric_limits<std::int32_t>::min(),
                                std::numeric_limits<std::int32_t>::max()};
  static constexpr Interval k64{std::numeric_limits<std::int64_t>::min(),
                                std::numeric_limits<std::int64_t>::max()};
  static Wide magnitude(Wide v) { return v < 0 ? -v : v; }

  /// No value leaves 64 bits on its way, in either order of sums, and none 32 bits behind the
  /// shifts.
  static bool passes(const Constants& made, Interval values) {
    Wide lo = Wide{values.lo} * made.m, hi = Wide{values.hi} * made.m;
    if (lo > hi) std::swap(lo, hi);
    if (lo <= -kMost || hi >= kMost) return false;
    lo += Wide{made.a} * made.m;
    hi += Wide{made.a} * made.m;
    for (const Shift& shift : made.shifts) {
      const Wide reach = magnitude(shift.sign) + shift.even;
      lo += shift.before;
      hi += shift.before;
      if (lo <= -kMost || hi >= kMost) return false;
      lo += shift.add - reach;
      hi += shift.add + reach;
      if (lo <= -kMost || hi >= kMost) return false;
      lo >>= shift.bits;
      hi >>= shift.bits;
    }
    return lo >= k32.lo && hi <= k32.hi;
  }

  static bool add_to(std::int64_t& sum, std::int64_t c) {
    return !__builtin_add_overflow(sum, c, &sum);
  }

  bool take_sum(std::int64_t c) {
    if (is_bounded_) {  // the bounds move along
      return add_to(z_, c) && add_to(made_.bounds.lo, c) && add_to(made_.bounds.hi, c);
    }
    return add_to(is_multiplied_ || shifts_ > 0 ? z_ : made_.a, c);
  }
  bool take_product(std::int64_t c) {
    if (is_bounded_ || shifts_ > 0 || z_ != 0) return false;
    is_multiplied_ = true;
    return !__builtin_mul_overflow(made_.m, c, &made_.m);
  }
  bool take_shift(Shift shift) {
    if (is_bounded_ || shifts_ == made_.shifts.size()) return false;
    if (!add_to(shift.is_plain() ? shift.add : shift.before, z_)) return false;
    z_ = 0;
    made_.shifts[shifts_++] = shift;
    return true;
  }
  bool take_bounds(Interval bounds) {
    const Interval& held = made_.bounds;
    made_.bounds = is_bounded_ ? Interval{std::clamp(held.lo, bounds.lo, bounds.hi),
                                          std::clamp(held.hi, bounds.lo, bounds.hi)}
                               : bounds;
    is_bounded_ = true;
    return true;
  }

  Constants made_{.bounds = k64};
  std::int64_t z_ = 0;  ///< added behind all that was taken, before the bounds
  bool is_multiplied_ = false, is_bounded_ = false;
  std::size_t shifts_ = 0;
};

/// One kind of constant of all channels, as often as a period has them.
template <class T>
std::vector<T> repeated(const std::vector<Constants>& channels, std::int64_t period,
                        T (*of)(const Constants&)) {
  std::vector<T> all;
  for (std::int64_t i = 0; i < period; ++i) {
    all.push_back(of(channels[static_cast<std::size_t>(i) % channels.size()]));
  }
  return all;
}

/// The columns of a rounded shift.
struct ShiftColumns {
  std::vector<std::int64_t> before, add, sign, even, bits;
  bool is_plain = true, is_idle = true;
};

template <std::size_t kIndex>
ShiftColumns columns_of(const std::vector<Constants>& channels, std::int64_t period) {
  ShiftColumns made;
  made.before = repeated<std::int64_t>(channels, period,
                                       [](const Constants& c) { return c.shifts[kIndex].before; });
  made.add = repeated<std::int64_t>(channels, period,
                                    [](const Constants& c) { return c.shifts[kIndex].add; });
  made.sign = repeated<std::int64_t>(channels, period,
                                     [](const Constants& c) { return c.shifts[kIndex].sign; });
  made.even = repeated<std::int64_t>(channels, period,
                                     [](const Constants& c) { return c.shifts[kIndex].even; });
  made.bits = repeated<std::int64_t>(channels, period,
                                     [](const Constants& c) { return c.shifts[kIndex].bits; });
  for (const Constants& c : channels) {
    const Shift& shift = c.shifts[kIndex];
    made.is_plain = made.is_plain && shift.is_plain();
    made.is_idle = made.is_idle && shift.is_plain() && shift.add == 0 && shift.bits == 0;
  }
  return made;
}

/// Where a stretch begins in the columns of a shift.
struct ShiftRow {
  const std::int64_t *before, *add, *sign, *even, *bits;

  ShiftRow(const ShiftColumns& columns, std::int64_t place)
      : before(columns.before.data() + place),
        add(columns.add.data() + place),
        sign(columns.sign.data() + place),
        even(columns.even.data() + place),
        bits(columns.bits.data() + place) {}
  [[nodiscard]] std::int64_t shifted(std::int64_t v, std::int64_t i) const {
    v += before[i];
    return (v + add[i] + ((v >> 63) & sign[i]) + ((v >> bits[i]) & even[i])) >> bits[i];
  }
};

class Scaling : public Form {
 public:
  Scaling(const std::vector<Constants>& channels, Storage in)
      : in_(in), period_(static_cast<std::int64_t>(channels.size())) {
    period_ *= (kShortest + period_ - 1) / period_;
    a_ = repeated<std::int64_t>(channels, period_, [](const Constants& c) { return c.a; });
    k_ = repeated<std::int64_t>(channels, period_, [](const Constants& c) { return c.k; });
    m_ = repeated<std::int64_t>(channels, period_, [](const Constants& c) { return c.m; });
    first_ = columns_of<0>(channels, period_);
    second_ = columns_of<1>(channels, period_);
    bounds_ = channels[0].bounds;
    has_one_bound_ = std::all_of(channels.begin(), channels.end(),
                                 [&](const Constants& c) { return c.bounds == bounds_; });
    if (has_one_bound_) return;
    bounds_ = Form::bounds();
    lo_ = repeated<std::int32_t>(channels, period_, [](const Constants& c) {
      return static_cast<std::int32_t>(c.bounds.lo);
    });
    hi_ = repeated<std::int32_t>(channels, period_, [](const Constants& c) {
      return static_cast<std::int32_t>(c.bounds.hi);
    });
  }

  [[nodiscard]] std::int64_t period() const override { return period_; }
  [[nodiscard]] Interval bounds() const override { return bounds_; }

  void run(const Stretch& stretch, std::int32_t* out) const override {
    with_type(in_, [&](auto one) {
      using In = decltype(one);
      if (second_.is_idle) {
        return first_.is_plain ? scale<In, true, false>(stretch, out)
                               : scale<In, false, false>(stretch, out);
      }
      return first_.is_plain ? scale<In, true, true>(stretch, out)
                             : scale<In, false, true>(stretch, out);
    });
    if (!has_one_bound_) clamp(stretch, out);
  }

 private:
  template <class In, bool kIsPlain, bool kIsTwice>
  void scale(const Stretch& stretch, std::int32_t* out) const {
    const std::int64_t place = stretch.place;
    kernels::vectorized([x = as<In>(stretch.in), n = stretch.count, out, a = a_.data() + place,
                         k = k_.data() + place, m = m_.data() + place,
                         first = ShiftRow(first_, place), second = ShiftRow(second_, place)] {
      QLOOM_INDEPENDENT_STEPS
      for (std::int64_t i = 0; i < n; ++i) {
        std::int64_t v = kIsPlain ? (std::int64_t{x[i]} * m[i] + k[i]) >> first.bits[i]
                                  : first.shifted((std::int64_t{x[i]} + a[i]) * m[i], i);
        if constexpr (kIsTwice) v = second.shifted(v, i);
        out[i] = static_cast<std::int32_t>(v);
      }
    });
  }

  void clamp(const Stretch& stretch, std::int32_t* out) const {
    kernels::vectorized(
        [n = stretch.count, out, lo = lo_.data() + stretch.place, hi = hi_.data() + stretch.place] {
          QLOOM_INDEPENDENT_STEPS
          for (std::int64_t i = 0; i < n; ++i) {
            const std::int32_t up = out[i] < lo[i] ? lo[i] : out[i];
            out[i] = up > hi[i] ? hi[i] : up;
          }
        });
  }

  Storage in_;
  std::int64_t period_;
  std::vector<std::int64_t> a_, k_, m_;
  ShiftColumns first_, second_;
  Interval bounds_;  ///< for who stores the results, if all channels have the same
  bool has_one_bound_ = true;
  std::vector<std::int32_t> lo_, hi_;  ///< otherwise
};

}  // namespace

std::unique_ptr<Form> make_scaling(const MapTask& task) {
  std::vector<Constants> channels;
  for (std::int64_t channel = 0; channel < task.channels; ++channel) {
    const auto c = static_cast<std::uint64_t>(channel);
    Reader reader;
    for (const steps::Step& step : task.chain) {
      if (!reader.take(step, c)) return nullptr;
    }
    const auto made = reader.result(task.values[task.values.size() == 1 ? 0 : c]);
    if (!made) return nullptr;
    channels.push_back(*made);
  }
  return std::make_unique<Scaling>(channels, task.in);
}

}  // namespace qloom::program::fast
