// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// How a rounding method is called, and what every call that may round carries.
#pragma once

#include <cstdint>
#include <string>

#include "host/methods/driver.hpp"

namespace qloom::methods {

/// The random words of one place: training and evaluation draw from streams of their own.
struct Streams {
  Streams() = default;
  explicit Streams(const std::string& name);
  [[nodiscard]] std::uint64_t of(bool training) const { return training ? train : evaluate; }
  std::uint64_t train = 0, evaluate = 0;
};

class Rounding : public Driver {
 public:
  using Driver::Driver;

  /// The method with its fused rule, if it has one, as calls carry it.
  [[nodiscard]] qloom_rounding_ref ref() const;
  /// y = round(x), x in grid steps; element i draws random word first + i. y may be x.
  void round(const qloom_call& call, std::uint64_t first, const float* x, float* y,
             std::uint64_t n) const;
};

/// A call without a place for its error.
[[nodiscard]] qloom_call call_of(const qloom_rounding_ref& rounding, const Streams& streams,
                                 std::uint64_t seed, std::uint64_t step, bool training);

}  // namespace qloom::methods
