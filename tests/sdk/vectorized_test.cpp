// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The SDK's own loops on every instruction set against plain ones: elements bit for bit, sums
// against sums in long double, and the same bits of the sums everywhere.
#include <qloom/vectorized.hpp>

#include <omp.h>

#include <cmath>

#include "host/registry/registry.hpp"
#include "tests/kernels/every_isa.hpp"

namespace qloom::kernels::test {
namespace {

using namespace qloom::sdk;

/// A tensor of `groups` groups, runs of `inner` elements, and a block of it.
struct Layout {
  std::uint64_t n, groups, inner, first, count;
};
const std::vector<Layout>& layouts() {
  static const std::vector<Layout> all{{5000, 1, 5000, 0, 5000},    {5000, 1, 5000, 3, 15},
                                       {5000, 1, 5000, 100, 4096},  {6000, 3, 1000, 0, 6000},
                                       {6000, 4, 1500, 1400, 2049}, {999, 111, 9, 5, 777},
                                       {4100, 10, 1, 7, 4091},      {6400, 64, 1, 0, 4096},
                                       {6400, 64, 1, 63, 2},        {9000, 300, 1, 299, 602},
                                       {9000, 3000, 1, 10, 2500},   {9000, 3000, 1, 2990, 4096},
                                       {40, 7, 2, 1, 37},           {3, 3, 1, 1, 1}};
  return all;
}

struct Data {
  explicit Data(const Layout& l)
      : x(spread(l.n, 2.0F, 3)), dy(spread(l.n, 1.0F, 4)), dx(l.n), limit(l.groups) {
    for (std::size_t g = 0; g < limit.size(); ++g) {
      limit[g] = 0.25F + 0.01F * static_cast<float>(g % 97);
    }
    tensor = {x.data(), nullptr, 0, l.n, 1, l.groups, l.inner};
    block = block_of(tensor, l.first, l.count);
  }
  [[nodiscard]] std::uint64_t group(std::uint64_t i) const {
    return i / tensor.inner % tensor.groups;
  }
  std::vector<float> x, dy, dx, limit;
  qloom_tensor tensor{};
  qloom_block block{};
};

float clipped(float x, float limit) { return x < -limit ? -limit : x > limit ? limit : x; }

void use(const qloom_kernels& table) {
  const qloom_host& host = registry::host_services();
  services.kernels = &table;
  services.parallel = static_cast<const qloom_parallel*>(host.service(&host, "qloom.parallel/1"));
}

/// Two float terms of which the gradient of a clip consists, or three doubles.
std::vector<double> block_sums(Data& d, bool is_double) {
  std::vector<double> sums(d.block.group_count * (is_double ? 4 : 2), 0.0);
  const float *x = d.x.data() + d.block.first, *dy = d.dy.data() + d.block.first;
  float* dx = d.dx.data() + d.block.first;
  if (is_double) {
    sum_elements<4>(d.block, sums.data(), entry_of(d.limit), [=](float limit, std::uint64_t i) {
      const double v = double{x[i]} / limit;
      dx[i] = static_cast<float>(v);
      return std::array{v, v * dy[i], std::fabs(v)};
    });
  } else {
    sum_elements(d.block, sums.data(), entry_of(d.limit), [=](float limit, std::uint64_t i) {
      const bool is_high = x[i] > limit;
      dx[i] = is_high ? 0.0F : dy[i];
      return std::array{is_high ? dy[i] : 0.0F, x[i] < -limit ? -dy[i] : 0.0F};
    });
  }
  return sums;
}

class Vectorized : public EveryIsa {};

TEST_P(Vectorized, ElementsAreThoseOfAPlainLoop) {
  use(kernels());
  for (const Layout& layout : layouts()) {
    Data d(layout);
    const float* x = d.x.data() + d.block.first;
    float* y = d.dx.data() + d.block.first;
    for_each_element(d.block, entry_of(d.limit),
                     [=](float limit, std::uint64_t i) { y[i] = clipped(x[i], limit); });
    for (std::uint64_t i = 0; i < layout.n; ++i) {
      const bool is_in = i >= layout.first && i < layout.first + layout.count;
      const float expected = is_in ? clipped(d.x[i], d.limit[d.group(i)]) : 0.0F;
      ASSERT_EQ(bits(d.dx[i]), bits(expected)) << layout.groups << " groups, element " << i;
    }
  }
}

TEST_P(Vectorized, SumsAreThoseOfTheirGroups) {
  use(kernels());
  for (const Layout& layout : layouts()) {
    for (const bool is_double : {false, true}) {
      Data d(layout);
      const std::vector<double> sums = block_sums(d, is_double);
      const std::uint64_t width = is_double ? 4 : 2;
      std::vector<long double> expected(layout.groups * width, 0.0L);
      for (std::uint64_t i = layout.first; i < layout.first + layout.count; ++i) {
        const float limit = d.limit[d.group(i)];
        long double* own = expected.data() + d.group(i) * width;
        if (is_double) {
          const double v = double{d.x[i]} / limit;
          own[0] += v, own[1] += v * d.dy[i], own[2] += std::fabs(v);
          EXPECT_EQ(d.dx[i], static_cast<float>(v));
        } else {
          if (d.x[i] > limit) own[0] += d.dy[i];
          if (d.x[i] < -limit) own[1] -= d.dy[i];
          EXPECT_EQ(d.dx[i], d.x[i] > limit ? 0.0F : d.dy[i]);
        }
      }
      for (std::uint64_t k = 0; k < sums.size(); ++k) {
        EXPECT_NEAR(sums[k], static_cast<double>(expected[d.block.group_first * width + k]), 1e-10)
            << layout.groups << " groups, first " << layout.first << ", sum " << k;
      }
    }
  }
}

TEST_P(Vectorized, SumsHaveTheBitsOfTheScalarSet) {
  for (const Layout& layout : layouts()) {
    for (const bool is_double : {false, true}) {
      Data own(layout), plain(layout);
      use(kernels());
      const std::vector<double> sums = block_sums(own, is_double);
      use(table(Isa::kScalar));
      EXPECT_EQ(sums, block_sums(plain, is_double)) << layout.groups << " groups";
      EXPECT_EQ(own.dx, plain.dx);
    }
  }
}

TEST_P(Vectorized, SumsOfATensorDoNotDependOnThreads) {
  use(kernels());
  const int threads = omp_get_max_threads();
  for (const Layout& shape : {Layout{200003, 1, 200003, 0, 0}, Layout{200000, 50, 4000, 0, 0},
                              Layout{200000, 40, 1, 0, 0}, Layout{199990, 20000, 10, 0, 0}}) {
    Data d({shape.n, shape.groups, shape.inner, 0, shape.n});
    std::vector<double> scratch;
    const auto all = [&](int count) {
      omp_set_num_threads(count);
      return sum_groups(d.tensor, scratch, entry_of(d.limit),
                        [x = d.x.data()](float limit, std::uint64_t i) {
                          const float magnitude = std::fabs(x[i]);
                          return std::array{magnitude > limit ? magnitude : 0.0F, 1.0F};
                        });
    };
    const std::vector<double> one = all(1);
    EXPECT_EQ(all(2), one);
    EXPECT_EQ(all(7), one);
    std::vector<long double> expected(shape.groups * 2, 0.0L);
    for (std::uint64_t i = 0; i < shape.n; ++i) {
      const float magnitude = std::fabs(d.x[i]);
      if (magnitude > d.limit[d.group(i)]) expected[2 * d.group(i)] += magnitude;
      expected[2 * d.group(i) + 1] += 1;
    }
    for (std::size_t k = 0; k < one.size(); ++k) {
      ASSERT_NEAR(one[k], static_cast<double>(expected[k]), 1e-9) << shape.groups << ", " << k;
    }
  }
  omp_set_num_threads(threads);
}

TEST(LaneSum, AddsSixteenLanesPairwise) {
  // 2^53 in lane 0 swallows single ones of its own lane, not those of the lanes beside it.
  std::vector<double> x(33, 1.0);
  x[0] = 0x1p53;
  // lane 0: 2^53 + 1 + 1 = 2^53; fifteen lanes of 2 join pairwise, in all 30 more
  EXPECT_EQ(lane_sum(x.data(), x.size()), 0x1p53 + 30.0);
  EXPECT_EQ(lane_sum(x.data(), 0), 0.0);
  const float small[] = {1.0F, 2.0F, 4.0F};
  EXPECT_EQ(lane_sum(small, 3), 7.0);
}

QLOOM_ON_EVERY_ISA(Vectorized);

}  // namespace
}  // namespace qloom::kernels::test
