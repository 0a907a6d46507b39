// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// How an accumulator is called: with the rounding method that its sums go through.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "host/contraction/contraction.hpp"
#include "host/methods/method.hpp"
#include "host/methods/rounding.hpp"

namespace qloom::methods {

using contraction::AccumulatorRef;

struct AccumulatorSpec {
  MethodSpec accumulator, rounding;
  bool operator==(const AccumulatorSpec&) const = default;
};

/// {"accumulator": {...}, "rounding": {...}}; a missing rounding is nearest_even.
[[nodiscard]] AccumulatorSpec resolve_accumulator(const registry::Registry& registry,
                                                  const Json& rule, const std::string& where);

/// Two matrices, row major: a of m x k, b of k x n.
struct Factors {
  std::uint64_t m, n, k;
  const float *a, *b;
};

class Accumulator : public Driver {
 public:
  Accumulator() = default;
  Accumulator(const registry::Registry& registry, const AccumulatorSpec& spec,
              const qloom_site* site = nullptr, std::string place = {},
              const std::string& stream = {});

  /// Are operands integer codes?
  [[nodiscard]] bool wants_codes() const;
  /// What a contraction needs for its sums, while this driver stays where it is. Overflows are
  /// added to *overflows.
  [[nodiscard]] AccumulatorRef ref(std::uint64_t seed, std::uint64_t step, bool training,
                                   std::uint64_t* overflows) const;
  /// c = a * b as one tile.
  [[nodiscard]] std::vector<double> product(const Factors& factors, std::uint64_t seed,
                                            std::uint64_t step, bool training) const;

 private:
  static qloom_status watched(const AccumulatorRef& ref, const qloom_call& call,
                              const qloom_tile& tile, std::uint64_t& overflows) noexcept;
  Rounding rounding_;
  Streams streams_;
};

}  // namespace qloom::methods
