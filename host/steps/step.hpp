// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Requantization as data: a short straight line of integer steps with their constants, and one step
// in floating point that stands for libraries which have it. What a step does is said here and
// nowhere else in the host; whoever prints steps for other machines is compared with apply().
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace qloom::steps {

/// v is a mathematical integer; prove() shows that it never leaves 64 bits.
enum class Op {
  kAdd,         ///< v + c
  kMultiply,    ///< v * c
  kShiftLeft,   ///< v * 2^c, c in 0 .. 62
  kShiftRight,  ///< v / 2^c, rounded as named, c in 0 .. 62
  kClamp,       ///< constants low, high
  kCount,       ///< number of constants that are at most v; they ascend
  kWrap,        ///< to c bits in two's complement, c in 1 .. 64
  kSaturate,    ///< to the nearest number of c bits in two's complement, c in 1 .. 64
  kTable,       ///< constants[v], v in 0 .. their number - 1
  kFloatScale,  ///< float32(v) * factor in float32, then to the nearest integer, ties to the even
                ///< one; no operation on integers
};

/// Of a right shift. kNearestEven, kNearestAway, kNearestUp differ where v lies half way: to the
/// even one, away from zero, toward positive infinity.
enum class Rounding {
  kNearestEven,
  kNearestAway,
  kNearestUp,
  kTowardZero,
  kTowardNegative,
  kTowardPositive,
};

/// One step for all channels of a tensor.
struct Step {
  Op op = Op::kAdd;
  Rounding rounding = Rounding::kTowardNegative;
  std::vector<std::int64_t> constants;  ///< (groups, per_channel); groups: 1 or the channels
  std::uint64_t per_channel = 1;
  std::vector<float> factors{};  ///< of kFloatScale in place of constants, (groups, 1)

  [[nodiscard]] std::uint64_t groups() const {
    return op == Op::kFloatScale ? factors.size() : constants.size() / per_channel;
  }
  /// Those of one channel.
  [[nodiscard]] std::span<const std::int64_t> of(std::uint64_t channel) const {
    if (op == Op::kFloatScale) return {};
    const std::uint64_t group = groups() == 1 ? 0 : channel;
    return std::span(constants).subspan(group * per_channel, per_channel);
  }
  [[nodiscard]] float factor_of(std::uint64_t channel) const {
    return factors[factors.size() == 1 ? 0 : channel];
  }
  bool operator==(const Step&) const = default;
};

using Chain = std::vector<Step>;

/// The step on a value of one channel; the value is one that prove() has seen.
[[nodiscard]] std::int64_t apply(const Step& step, std::uint64_t channel, std::int64_t v);
[[nodiscard]] std::int64_t apply(const Chain& chain, std::uint64_t channel, std::int64_t v);

/// float32(v) * factor, one float32 product of two.
[[nodiscard]] float scaled(std::int64_t v, float factor);
/// Is every step one on integers?
[[nodiscard]] bool is_integer(const Chain& chain);

/// v / 2^n, rounded; n in 0 .. 62.
[[nodiscard]] std::int64_t shift_right(std::int64_t v, int n, Rounding rounding);

/// "add", "shift_right", as files have it; the names of roundings are those of the rounding modes.
[[nodiscard]] const char* name_of(Op op);
[[nodiscard]] const char* name_of(Rounding rounding);
/// False when there is no such name.
[[nodiscard]] bool find(const std::string& name, Op& op);
[[nodiscard]] bool find(const std::string& name, Rounding& rounding);
/// What a channel's value goes through, for messages: "* 1518500250, >> 31 nearest_up, clamp 0
/// 255".
[[nodiscard]] std::string text_of(const Chain& chain, std::uint64_t channel);

}  // namespace qloom::steps
