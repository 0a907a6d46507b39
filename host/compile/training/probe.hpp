// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What a method does to integers, found out by trying it. Each function proposes a form of integer
// steps, compares it with the method on many values, the places where results change among them,
// and answers nothing where one value differs.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "host/compile/routes/route.hpp"
#include "host/step_program/step_program.hpp"

namespace qloom::compile {

/// A quantizer at the tensors of one place; integers v stand for v * 2^exponent.
struct Tried {
  SiteQuantizer& site;
  Shape shape;
  int exponent = 0;
  network::Phase phase;
};

/// The exponent e of 2^e; nothing for another number.
[[nodiscard]] std::optional<int> power_of_two(double value);

/// A fixed function of each value.
struct Fixed {
  steps::Chain steps;
  int exponent = 0;  ///< of the results
};
/// A shift by a fixed number of places, rounded, then a clamp.
[[nodiscard]] std::optional<Fixed> find_fixed(const Tried& tried, Interval range);
/// From bytes of an image: (256, channels) values to a table.
[[nodiscard]] std::optional<Fixed> find_table(SiteQuantizer& site, const Pixels& pixels,
                                              const network::Phase& phase);

/// A shift that makes the largest magnitude of the tensor a number near 2^bits.
struct Normalised {
  int bits = 0;
  steps::Rounding rounding{};
  Interval codes;
  int exponent = 0;
};
[[nodiscard]] std::optional<Normalised> find_normalised(const Tried& tried);

/// Rates that are tried: 2^-12 to 2^12.
inline constexpr int kMostRateShift = 12;

/// The same shift, rounded at random.
struct Stochastic {
  int random_bits = 0;
  std::optional<step_program::Lfsr> lfsr;
  std::vector<int> shifts;  ///< of each epoch
  int exponent = 0;
};
[[nodiscard]] std::optional<Stochastic> find_stochastic(const Tried& tried, std::uint64_t epochs);

/// The values v through which a gradient passes unchanged; through all others none does. One
/// function maps x and dy to dx. Nothing where there is no such interval.
using Gradient = std::function<void(const Tensor& x, const Tensor& dy, Tensor& dx)>;
[[nodiscard]] std::optional<Interval> find_passing(const Gradient& gradient, const Shape& shape,
                                                   int exponent, Interval range,
                                                   const std::vector<std::int64_t>& places);
/// find_passing() of the quantizer.
[[nodiscard]] std::optional<Interval> find_passing(const Tried& tried, Interval range);

/// A function of each value that is a clamp.
using Function = std::function<void(const Tensor& x, Tensor& y)>;
[[nodiscard]] std::optional<Interval> find_clamp(const Function& function, const Shape& shape,
                                                 int exponent, Interval range);

/// Values of a range that a comparison looks at: all of a small one, else its ends, the
/// neighbourhoods of `places` and many at random. Each has at most 24 significant bits.
[[nodiscard]] std::vector<std::int64_t> points_of(Interval range,
                                                  const std::vector<std::int64_t>& places);
/// v * 2^exponent in a tensor of this shape, begun again where the values end.
[[nodiscard]] Tensor tensor_of_points(const std::vector<std::int64_t>& v, const Shape& shape,
                                      std::size_t first, int exponent);

}  // namespace qloom::compile
