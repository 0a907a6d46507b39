// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Smallest, largest and non-finite values of every shape against the definition.
#include <cstdint>
#include <limits>
#include <vector>

#include "host/kernels/reference/extremes.hpp"
#include "tests/kernels/every_isa.hpp"
#include "tests/kernels/geometry.hpp"

namespace qloom::kernels::test {
namespace {

const std::vector<Geometry>& geometries() {
  static const std::vector<Geometry> all{
      {1, 1, 1, 0},      {1, 1, 67, 0},     {3, 1, 100001, 0}, {1, 1, 400003, 0}, {2000, 3, 1, 0},
      {90001, 3, 1, 0},  {20011, 16, 1, 0}, {900, 64, 1, 0},   {3001, 100, 1, 0}, {70, 1500, 1, 0},
      {1, 70000, 1, 0},  {9, 70001, 1, 0},  {777, 63, 1, 0},   {15, 63, 1, 0},    {64, 63, 1, 0},
      {1, 40, 9, 0},     {1, 40, 288, 5},   {1, 3, 200000, 9}, {4, 6, 5000, 0},   {3, 100, 7, 0},
      {1, 7, 16, 15},    {1, 64, 576, 0},   {1, 3000, 32, 31}, {5, 33, 17, 0},    {1, 31, 3001, 2},
      {11, 48, 1000, 0}, {1, 33, 4, 3}};
  return all;
}

struct Found {
  std::vector<double> lo, hi;
  std::vector<std::uint64_t> nonfinite;
  explicit Found(std::uint64_t groups)
      : lo(groups + 1, -77.0), hi(groups + 1, -77.0), nonfinite(groups + 1, 77) {}
};

template <class Function>
Found found(const Function& extremes, const qloom_tensor& t) {
  Found out(t.groups);
  extremes(&t, out.lo.data(), out.hi.data(), out.nonfinite.data());
  return out;
}

void expect_found(const Found& a, const Found& b) {
  const auto bits_of = [](const std::vector<double>& v) {
    std::vector<std::uint64_t> out;
    for (const double x : v) out.push_back(std::bit_cast<std::uint64_t>(x));
    return out;
  };
  EXPECT_EQ(bits_of(a.lo), bits_of(b.lo));
  EXPECT_EQ(bits_of(a.hi), bits_of(b.hi));
  EXPECT_EQ(a.nonfinite, b.nonfinite);
}

class ExtremesTest : public EveryIsa {
 protected:
  static void expect_definition(const Geometry& s, const std::vector<float>& x) {
    SCOPED_TRACE(testing::Message() << s.outer << " x " << s.groups << " x " << s.inner);
    const qloom_tensor t{x.data(), nullptr,  0,      s.outer * s.groups * s.inner - s.missing,
                         s.outer,  s.groups, s.inner};
    const Found expected = found(ref::extremes, t);
    for (const int threads : {1, 2, 7}) {
      const Threads set(threads);
      expect_found(found(kernels().extremes, t), expected);
    }
  }
};
QLOOM_ON_EVERY_ISA(ExtremesTest);

TEST_P(ExtremesTest, HaveTheBitsOfTheDefinitionOnAnyNumberOfThreads) {
  for (const Geometry& s : geometries()) {
    expect_definition(s, spread(s.outer * s.groups * s.inner, 10.0F, s.groups));
  }
}

TEST_P(ExtremesTest, SkipAndCountWhatIsNotFinite) {
  const float special[] = {from_bits(0xFFC00001U), from_bits(0x7F800001U), from_bits(0x7F800000U),
                           from_bits(0xFF800000U)};
  for (const Geometry& s : geometries()) {
    std::vector<float> x = spread(s.outer * s.groups * s.inner, 10.0F, s.groups);
    for (std::size_t i = 0; i < x.size(); i += 1 + random_word(5, 6, 7, i) % 3000) {
      x[i] = special[i % 4];
    }
    expect_definition(s, x);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = special[i % 4];
    expect_definition(s, x);
  }
}

TEST_P(ExtremesTest, EveryPlaceIsLookedAtOnce) {
  for (const Geometry s : {Geometry{1, 1, 333, 0}, Geometry{100, 3, 1, 0}, Geometry{7, 65, 1, 0},
                           Geometry{1, 36, 13, 0}}) {
    std::vector<float> x(s.outer * s.groups * s.inner, 1.0F);
    for (float& v : x) {
      for (const float put : {-2.0F, 3.0F, from_bits(0x7FC00000U)}) {
        v = put;
        expect_definition(s, x);
      }
      v = 1.0F;
    }
  }
}

TEST_P(ExtremesTest, AZeroEndIsPositive) {
  const std::vector<float> x(200, -0.0F);
  for (const std::uint64_t groups : {1U, 2U, 100U}) {
    const qloom_tensor t{x.data(), nullptr, 0, 200, 200 / groups, groups, 1};
    const Found out = found(kernels().extremes, t);
    for (std::size_t g = 0; g < groups; ++g) {
      EXPECT_EQ(std::bit_cast<std::uint64_t>(out.lo[g]), 0U);
      EXPECT_EQ(std::bit_cast<std::uint64_t>(out.hi[g]), 0U);
    }
  }
}

TEST_P(ExtremesTest, OfNothingAreInfinite) {
  const float x = 1.0F;
  constexpr double kInf = std::numeric_limits<double>::infinity();
  for (const qloom_tensor t :
       {qloom_tensor{&x, nullptr, 0, 0, 1, 1, 1}, qloom_tensor{&x, nullptr, 0, 1, 1, 2, 4}}) {
    const Found out = found(kernels().extremes, t);
    EXPECT_EQ(out.lo[t.groups - 1], kInf);
    EXPECT_EQ(out.hi[t.groups - 1], -kInf);
    EXPECT_EQ(out.nonfinite[t.groups - 1], 0U);
  }
}

TEST_P(ExtremesTest, TakeEveryLengthAndOffset) {
  const std::vector<float> x = spread(200, 5.0F);
  for (const std::size_t offset : {0U, 1U, 3U}) {
    for (std::uint64_t n = 1; n <= 150; ++n) {
      const qloom_tensor t{x.data() + offset, nullptr, 0, n, 1, 1, n};
      expect_found(found(kernels().extremes, t), found(ref::extremes, t));
    }
  }
}

}  // namespace
}  // namespace qloom::kernels::test
