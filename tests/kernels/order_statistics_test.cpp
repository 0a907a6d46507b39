// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Order statistics of every shape against the definition.
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include <omp.h>

#include "host/kernels/reference/order_statistics.hpp"
#include "tests/kernels/every_isa.hpp"
#include "tests/kernels/geometry.hpp"

namespace qloom::kernels::test {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

/// Small groups, and groups that are sampled: one, long runs, several runs of each, columns.
const Geometry kGeometries[] = {{1, 1, 1, 0},    {1, 1, 67, 0},    {5, 33, 17, 0},  {777, 63, 1, 0},
                                {1, 40, 9, 5},   {1, 1, 70001, 0}, {2, 1, 9000, 0}, {1, 3, 9001, 2},
                                {40, 3, 301, 0}, {5001, 3, 1, 0},  {4300, 18, 1, 0}};

std::vector<float> normal_like(std::uint64_t n) {
  std::vector<float> x(n);
  for (std::size_t i = 0; i < n; ++i) {
    float sum = 0.0F;
    for (std::uint64_t k = 0; k < 4; ++k) sum += uniform(random_word(3, k, 0, i)) - 0.5F;
    x[i] = sum;
  }
  return x;
}

/// The same ranks for every group.
std::vector<std::uint64_t> in_each(std::uint64_t groups, const std::vector<std::uint64_t>& ranks) {
  std::vector<std::uint64_t> out;
  for (std::uint64_t g = 0; g < groups; ++g) out.insert(out.end(), ranks.begin(), ranks.end());
  return out;
}

class OrderStatistics : public EveryIsa {
 protected:
  void expect_definition(const Geometry& s, const std::vector<float>& x,
                         const std::vector<std::uint64_t>& ranks) {
    SCOPED_TRACE(testing::Message() << s.outer << " x " << s.groups << " x " << s.inner);
    const qloom_tensor t{x.data(), nullptr, 0, s.n(), s.outer, s.groups, s.inner};
    const auto rank = in_each(s.groups, ranks);
    for (const std::uint32_t abs : {0U, 1U}) {
      std::vector<double> expected(rank.size(), -7.0);
      ref::order_statistics(&t, abs, rank.data(), ranks.size(), expected.data());
      for (const int threads : {1, 2, 7}) {
        const int before = omp_get_max_threads();
        omp_set_num_threads(threads);
        std::vector<double> out(rank.size() + 1, -7.0);
        kernels().order_statistics(&t, abs, rank.data(), ranks.size(), out.data());
        omp_set_num_threads(before);
        for (std::size_t i = 0; i < rank.size(); ++i) {
          ASSERT_EQ(std::bit_cast<std::uint64_t>(out[i]), std::bit_cast<std::uint64_t>(expected[i]))
              << "rank " << rank[i] << ", abs " << abs << ", threads " << threads << ": " << out[i]
              << ", expected " << expected[i];
        }
        ASSERT_EQ(out.back(), -7.0) << "wrote past the end";
      }
    }
  }
};
QLOOM_ON_EVERY_ISA(OrderStatistics);

TEST_P(OrderStatistics, AreThoseOfTheSortedValues) {
  for (const Geometry& s : kGeometries) {
    const std::uint64_t size = s.outer * s.inner;  // of a group
    expect_definition(s, normal_like(s.n()), {size - 1, 0, size / 2, size * 999 / 1000});
  }
}

TEST_P(OrderStatistics, MayBeManyOrNone) {
  std::vector<std::uint64_t> ranks;
  for (std::uint64_t i = 0; i < 9; ++i) ranks.push_back(i * 7919 % 5000);
  for (const Geometry& s : {Geometry{1, 1, 5000, 0}, {5000, 2, 1, 0}}) {
    expect_definition(s, normal_like(s.n()), ranks);
    expect_definition(s, normal_like(s.n()), {});
  }
}

TEST_P(OrderStatistics, PassOverWhatIsNotFiniteAndAreNanPastTheLastValue) {
  for (const Geometry& s : kGeometries) {
    std::vector<float> x = normal_like(s.n());
    for (std::size_t i = 0; i < x.size(); i += 3)
      x[i] = i % 2 == 0 ? kNan : i % 5 == 0 ? -kInfinity : kInfinity;
    const std::uint64_t size = s.outer * s.inner;
    expect_definition(s, x, {0, size / 2, size * 2 / 3, size});
  }
  const std::vector<float> none(9000, kNan);
  expect_definition({1, 1, 9000, 0}, none, {0, 4500});
}

TEST_P(OrderStatistics, OfEqualValuesAreThese) {
  for (const Geometry& s : {Geometry{1, 1, 9000, 0}, {1, 2, 9000, 0}, {6000, 2, 1, 0}}) {
    std::vector<float> x = normal_like(s.n());
    for (float& v : x) v = v > 0.0F ? v : -0.0F;  // after a ReLU
    const std::uint64_t size = s.outer * s.inner;
    expect_definition(s, x, {0, size / 4, size / 2, size - 1});
    for (float& v : x) v = std::nearbyint(2.0F * v);
    expect_definition(s, x, {0, size / 2, size * 9 / 10, size - 1});
    expect_definition(s, std::vector<float>(s.n(), -3.0F), {0, size / 2, size - 1});
  }
}

TEST_P(OrderStatistics, ReachTheEndsOfFloat32) {
  std::vector<float> x = normal_like(9000);
  const float largest = std::numeric_limits<float>::max();
  x[17] = largest;
  x[8000] = -largest;
  x[4000] = std::numeric_limits<float>::denorm_min();
  std::sort(x.begin() + 5000, x.end());  // half of it in step with its index
  expect_definition({1, 1, 9000, 0}, x, {0, 1, 8998, 8999});
}

}  // namespace
}  // namespace qloom::kernels::test
