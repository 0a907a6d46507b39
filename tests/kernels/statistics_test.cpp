// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "host/kernels/reference/reduce.hpp"
#include "tests/kernels/every_isa.hpp"
#include "tests/kernels/geometry.hpp"

namespace qloom::kernels::test {
namespace {

const std::vector<Geometry>& shapes() {
  static const std::vector<Geometry> all{
      {1, 1, 1, 0},    {1, 1, 67, 0},    {1, 1, 300000, 0}, {3, 1, 100001, 0}, {2000, 3, 1, 0},
      {900, 64, 1, 0}, {70, 1500, 1, 0}, {1, 40, 9, 0},     {1, 40, 288, 5},   {1, 3, 200000, 9},
      {4, 6, 5000, 0}, {3, 100, 7, 0},   {1, 7, 16, 15},    {1, 4, 8, 0},      {100000, 17, 1, 0}};
  return all;
}

qloom_tensor tensor(const Geometry& s, const std::vector<float>& x) {
  return {x.data(), nullptr,  0,      s.outer * s.groups * s.inner - s.missing,
          s.outer,  s.groups, s.inner};
}

class Statistics : public EveryIsa {
 protected:
  static std::vector<double> reduced(const qloom_tensor& t, std::uint32_t figure,
                                     const std::vector<double>& center) {
    std::vector<double> out(t.groups + 1, -77.0);
    kernels().reduce(&t, figure, center.data(), out.data());
    EXPECT_EQ(out.back(), -77.0) << "wrote past the end";
    return out;
  }
};
QLOOM_ON_EVERY_ISA(Statistics);

TEST_P(Statistics, HaveTheBitsOfTheDefinitionOnAnyNumberOfThreads) {
  for (const Geometry& s : shapes()) {
    const std::vector<float> x = spread(s.outer * s.groups * s.inner, 10.0F, s.groups);
    const qloom_tensor t = tensor(s, x);
    std::vector<double> center(s.groups);
    for (std::size_t g = 0; g < s.groups; ++g) center[g] = 0.1 * static_cast<double>(g % 7);
    for (std::uint32_t figure = QLOOM_REDUCE_MIN; figure <= QLOOM_REDUCE_COUNT; ++figure) {
      SCOPED_TRACE(testing::Message()
                   << "groups " << s.groups << " inner " << s.inner << " figure " << figure);
      std::vector<double> expected(s.groups + 1, -77.0);
      ref::reduce(&t, figure, center.data(), expected.data());
      for (const int threads : {1, 2, 7}) {
        const Threads set(threads);
        expect_same(reduced(t, figure, center), expected);
      }
    }
  }
}

TEST_P(Statistics, OfIntegersAreExact) {
  for (const Geometry& s : shapes()) {
    std::vector<float> x(s.outer * s.groups * s.inner);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i * 7919 % 1001) - 500.0F;
    const qloom_tensor t = tensor(s, x);
    std::vector<std::int64_t> sum(s.groups), abs_sum(s.groups), square_sum(s.groups),
        deviation(s.groups), square_deviation(s.groups), count(s.groups), min(s.groups, 1000),
        max(s.groups, -1000);
    for (std::size_t i = 0; i < t.n; ++i) {
      const std::size_t g = i / s.inner % s.groups;
      const auto v = static_cast<std::int64_t>(x[i]);
      sum[g] += v;
      abs_sum[g] += std::abs(v);
      square_sum[g] += v * v;
      deviation[g] += std::abs(v - 3);
      square_deviation[g] += (v - 3) * (v - 3);
      count[g] += 1;
      min[g] = std::min(min[g], v);
      max[g] = std::max(max[g], v);
    }
    const std::vector<double> center(s.groups, 3.0);
    const auto check = [&](std::uint32_t figure, const std::vector<std::int64_t>& expected) {
      const std::vector<double> out = reduced(t, figure, center);
      for (std::size_t g = 0; g < s.groups; ++g) {
        ASSERT_EQ(out[g], static_cast<double>(expected[g]))
            << "figure " << figure << " group " << g;
      }
    };
    check(QLOOM_REDUCE_SUM, sum);
    check(QLOOM_REDUCE_ABS_SUM, abs_sum);
    check(QLOOM_REDUCE_SQUARE_SUM, square_sum);
    check(QLOOM_REDUCE_ABS_DEVIATION_SUM, deviation);
    check(QLOOM_REDUCE_SQUARE_DEVIATION_SUM, square_deviation);
    check(QLOOM_REDUCE_COUNT, count);
    check(QLOOM_REDUCE_MIN, min);
    check(QLOOM_REDUCE_MAX, max);
  }
}

TEST_P(Statistics, SkipNanInExtremaAndCountNonfinites) {
  const float nan = from_bits(0xFFC00001U), infinity = from_bits(0x7F800000U);
  for (const Geometry s : {Geometry{1, 1, 50, 0}, Geometry{50, 3, 1, 0}, Geometry{1, 3, 20, 0}}) {
    std::vector<float> x(s.outer * s.groups * s.inner, nan);
    const std::size_t stride = s.inner == 1 ? s.groups : 1;
    x[0] = -3.0F;
    x[stride] = 2.0F;
    x[3 * stride] = -0.0F;
    const qloom_tensor t = tensor(s, x);
    const std::vector<double> center(s.groups, 0.0);
    EXPECT_EQ(reduced(t, QLOOM_REDUCE_MIN, center)[0], -3.0);
    EXPECT_EQ(reduced(t, QLOOM_REDUCE_MAX, center)[0], 2.0);
    EXPECT_EQ(reduced(t, QLOOM_REDUCE_ABS_MAX, center)[0], 3.0);
    EXPECT_EQ(reduced(t, QLOOM_REDUCE_NONFINITE, center)[0],
              static_cast<double>(s.outer * s.inner - 3));
    EXPECT_EQ(std::bit_cast<std::uint64_t>(reduced(t, QLOOM_REDUCE_SUM, center)[0]),
              std::bit_cast<std::uint64_t>(std::numeric_limits<double>::quiet_NaN()));
    x[stride] = infinity;
    EXPECT_EQ(reduced(t, QLOOM_REDUCE_MAX, center)[0], std::numeric_limits<double>::infinity());
    EXPECT_EQ(reduced(t, QLOOM_REDUCE_NONFINITE, center)[0],
              static_cast<double>(s.outer * s.inner - 2));
    if (s.groups > 1) {  // the second group has nothing but NaN
      EXPECT_EQ(reduced(t, QLOOM_REDUCE_MIN, center)[2], std::numeric_limits<double>::infinity());
      EXPECT_EQ(reduced(t, QLOOM_REDUCE_MAX, center)[2], -std::numeric_limits<double>::infinity());
      EXPECT_EQ(reduced(t, QLOOM_REDUCE_ABS_MAX, center)[2], 0.0);
    }
  }
}

TEST_P(Statistics, OfNothingAreNeutral) {
  const std::vector<float> x(1);
  const std::vector<double> center(2, 0.0);
  for (const Geometry s :
       {Geometry{1, 1, 1, 1}, Geometry{1, 2, 4, 4}}) {  // empty; second group empty
    const qloom_tensor t = tensor(s, std::vector<float>(8, 1.0F));
    const qloom_tensor valid{x.data(), nullptr, 0, t.n == 0 ? 0U : 1U, 1, s.groups, s.inner};
    const std::size_t g = s.groups - 1;
    EXPECT_EQ(reduced(valid, QLOOM_REDUCE_MIN, center)[g], std::numeric_limits<double>::infinity());
    EXPECT_EQ(reduced(valid, QLOOM_REDUCE_MAX, center)[g],
              -std::numeric_limits<double>::infinity());
    EXPECT_EQ(reduced(valid, QLOOM_REDUCE_ABS_MAX, center)[g], 0.0);
    EXPECT_EQ(reduced(valid, QLOOM_REDUCE_SUM, center)[g], 0.0);
    EXPECT_EQ(reduced(valid, QLOOM_REDUCE_COUNT, center)[g], 0.0);
  }
}

TEST_P(Statistics, TakeEveryLengthAndOffset) {
  const std::vector<float> x = spread(80, 5.0F);
  const double center = 0.3;
  for (const std::size_t offset : {0U, 1U, 3U}) {
    for (std::uint64_t n = 0; n <= 67; ++n) {
      const qloom_tensor t{x.data() + offset, nullptr, 0, n, 1, 1, n == 0 ? 1 : n};
      for (std::uint32_t figure = QLOOM_REDUCE_MIN; figure <= QLOOM_REDUCE_COUNT; ++figure) {
        double out = 0.0, expected = 0.0;
        kernels().reduce(&t, figure, &center, &out);
        ref::reduce(&t, figure, &center, &expected);
        ASSERT_EQ(out, expected) << "n " << n << " figure " << figure;
      }
    }
  }
}

TEST_P(Statistics, HistogramCountsWhatFallsIntoEachBin) {
  const std::vector<float> x{-5.0F,
                             0.0F,
                             0.24F,
                             0.25F,
                             0.5F,
                             0.99F,
                             1.0F,
                             7.0F,
                             -0.3F,
                             from_bits(0x7FC00000U),
                             from_bits(0x7F800000U),
                             from_bits(0xFF800000U)};
  const double lo = 0.0, hi = 1.0;
  const qloom_tensor t{x.data(), nullptr, 0, x.size(), 1, 1, x.size()};
  std::vector<std::uint64_t> counts(5, 99);
  kernels().histogram(&t, &lo, &hi, 4, 0, counts.data());
  EXPECT_EQ(counts, (std::vector<std::uint64_t>{5, 1, 1, 4, 99}));
  kernels().histogram(&t, &lo, &hi, 4, 1, counts.data());
  EXPECT_EQ(counts, (std::vector<std::uint64_t>{2, 2, 1, 6, 99}));
  kernels().histogram(&t, &hi, &hi, 4, 0, counts.data());  // no width: all in the first bin
  EXPECT_EQ(counts, (std::vector<std::uint64_t>{11, 0, 0, 0, 99}));
}

TEST_P(Statistics, HistogramOfEveryLengthAndNumberOfBins) {
  std::vector<float> x = spread(150000, 2.0F);
  for (std::size_t i = 7; i < x.size(); i += 101) x[i] = from_bits(0x7FC00000U);
  for (std::size_t i = 0; i < x.size(); i += 3) x[i] = 0.0F;
  const double lo = -1.9, hi = 1.6;
  for (const std::uint64_t n : {0U, 1U, 63U, 64U, 65U, 127U, 300U, 1025U, 149999U}) {
    for (const std::uint64_t bins : {1U, 2048U, 5000U}) {
      for (const std::uint32_t abs : {0U, 1U}) {
        const qloom_tensor t{x.data() + 1, nullptr, 0, n, 1, 1, n == 0 ? 1 : n};
        std::vector<std::uint64_t> counts(bins), expected(bins);
        kernels().histogram(&t, &lo, &hi, bins, abs, counts.data());
        ref::histogram(&t, &lo, &hi, bins, abs, expected.data());
        ASSERT_EQ(counts, expected) << "n " << n << " bins " << bins << " abs " << abs;
      }
    }
  }
}

TEST_P(Statistics, HistogramEqualsTheDefinitionOnAnyNumberOfThreads) {
  for (const Geometry& s : shapes()) {
    const std::vector<float> x = spread(s.outer * s.groups * s.inner, 2.0F, s.inner);
    const qloom_tensor t = tensor(s, x);
    std::vector<double> lo(s.groups), hi(s.groups);
    for (std::size_t g = 0; g < s.groups; ++g) {
      lo[g] = -1.5 + 0.01 * static_cast<double>(g % 13);
      hi[g] = 1.7 + 0.01 * static_cast<double>(g % 5);
    }
    const std::uint64_t bins = 37;
    std::vector<std::uint64_t> expected(s.groups * bins);
    ref::histogram(&t, lo.data(), hi.data(), bins, 0, expected.data());
    for (const int threads : {1, 2, 7}) {
      const Threads set(threads);
      std::vector<std::uint64_t> counts(s.groups * bins + 1, 99);
      kernels().histogram(&t, lo.data(), hi.data(), bins, 0, counts.data());
      ASSERT_EQ(counts.back(), 99U);
      counts.pop_back();
      ASSERT_EQ(counts, expected) << "groups " << s.groups << " inner " << s.inner;
    }
  }
}

}  // namespace
}  // namespace qloom::kernels::test
