// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// An accumulator on a whole product of two matrices.
#pragma once

#include "tests/support/method.hpp"

namespace qloom::test {

struct Product {
  std::uint64_t m, n, k;
  std::vector<float> a, b;  // m x k, k x n
};

/// Random integer codes in -limit .. limit.
inline Product random_codes(std::uint64_t m, std::uint64_t n, std::uint64_t k, float limit,
                            std::uint64_t seed) {
  Product p{m, n, k, {}, {}};
  const auto side = static_cast<std::int64_t>(m * k), other = static_cast<std::int64_t>(k * n);
  p.a = values(uniform({side}, seed, -limit - 0.5F, limit + 0.5F));
  p.b = values(uniform({other}, seed + 1, -limit - 0.5F, limit + 0.5F));
  for (auto* v : {&p.a, &p.b}) {
    for (float& x : *v) x = std::nearbyint(x);
  }
  return p;
}

struct Sums {
  std::vector<double> c;
  std::uint64_t overflows;
};

/// The product as one tile; c is padded to a pitch of n + 3 and the padding must stay.
inline Sums accumulate(const registry::Instance& accumulator, const Product& p,
                       std::uint32_t rule = QLOOM_ROUND_NEAREST_EVEN, std::uint32_t argument = 0) {
  constexpr double kGuard = -12345;
  const std::uint64_t pitch = p.n + 3;
  std::vector<double> c(p.m * pitch, kGuard);
  const auto width = [](std::uint64_t n) { return static_cast<std::int64_t>(n); };
  const qloom_tile tile{p.a.data(), p.b.data(), c.data(), width(p.k), width(p.n), width(pitch),
                        p.m,        p.n,        p.k,      0,          p.n};
  qloom_error error = registry::empty_error();
  qloom_call call{};
  call.struct_size = sizeof call;
  call.seed = 7;
  call.rounding = {nullptr, nullptr, rule, argument};
  call.error = &error;
  Sums sums{{}, 0};
  const auto status = accumulator.ops<qloom_accumulator>().accumulate(accumulator.self(), &call,
                                                                      &tile, &sums.overflows);
  registry::check(accumulator.method(), "accumulate", status, error);
  for (std::uint64_t i = 0; i < c.size(); ++i) {
    if (i % pitch < p.n) {
      sums.c.push_back(c[i]);
    } else {
      EXPECT_EQ(c[i], kGuard) << "wrote past the end of a row";
    }
  }
  return sums;
}

}  // namespace qloom::test
