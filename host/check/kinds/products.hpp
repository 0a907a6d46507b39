// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Accumulators and rounding modes called as the host calls them.
#pragma once

#include "host/check/kinds/quantizer.hpp"
#include "host/check/kinds/record.hpp"

namespace qloom::check {

/// c[m x n] = a[m x k] * b[k x n].
struct Factors {
  std::uint64_t m, n, k;
  Tensor a, b;
};
/// x times a fixed matrix; integer codes for an accumulator of such.
[[nodiscard]] Factors factors_of(const qloom_accumulator& ops, const Tensor& x, std::uint64_t seed);

struct Product {
  std::vector<double> c;
  std::int64_t overflows = 0;
  std::string refusal;
};
/// In tiles of at most rows x columns results, on all threads.
[[nodiscard]] Product accumulate(Context& context, const registry::Instance& instance,
                                 const Factors& f, Rounding rounding, std::uint64_t rows,
                                 std::uint64_t columns);

/// y = round(x), the first with random word `first`; the refusal.
[[nodiscard]] std::string round_values(Context& context, const registry::Instance& instance,
                                       std::uint64_t first, std::uint64_t round, const float* x,
                                       float* y, std::uint64_t n);

}  // namespace qloom::check
