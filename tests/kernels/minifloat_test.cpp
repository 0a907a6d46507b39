// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "host/kernels/reference/minifloat.hpp"
#include "tests/kernels/every_isa.hpp"

namespace qloom::kernels::test {
namespace {

/// A format with the figures the handbook (section 16) gives for it.
struct Named {
  std::string name;
  qloom_float_format format;
  double max, min_normal, min_subnormal;
  std::int64_t non_negative;  // finite codes with a clear sign
};
const std::vector<Named>& formats() {
  static const std::vector<Named> all{
      {"e5m2", {5, 2, 15, QLOOM_SPECIALS_IEEE, 1, 0}, 57344, 0x1p-14, 0x1p-16, 124},
      {"e4m3", {4, 3, 7, QLOOM_SPECIALS_FN, 1, 0}, 448, 0x1p-6, 0x1p-9, 127},
      {"e4m3 ieee", {4, 3, 7, QLOOM_SPECIALS_IEEE, 1, 0}, 240, 0x1p-6, 0x1p-9, 120},
      {"e3m4 fn", {3, 4, 3, QLOOM_SPECIALS_FN, 1, 0}, 30, 0x1p-2, 0x1p-6, 127},
      {"e3m4 ieee", {3, 4, 3, QLOOM_SPECIALS_IEEE, 1, 0}, 15.5, 0x1p-2, 0x1p-6, 112},
      {"hfp8 forward", {4, 3, 11, QLOOM_SPECIALS_NONE, 1, 0}, 30, 0x1p-10, 0x1p-13, 128},
      {"e4m3fnuz", {4, 3, 8, QLOOM_SPECIALS_FNUZ, 1, 0}, 240, 0x1p-7, 0x1p-10, 128},
      {"e5m2fnuz", {5, 2, 16, QLOOM_SPECIALS_FNUZ, 1, 0}, 57344, 0x1p-15, 0x1p-17, 128},
      {"e2m1", {2, 1, 1, QLOOM_SPECIALS_NONE, 1, 1}, 6, 1, 0x1p-1, 8},
      {"e2m3", {2, 3, 1, QLOOM_SPECIALS_NONE, 1, 1}, 7.5, 1, 0x1p-3, 32},
      {"e3m2", {3, 2, 3, QLOOM_SPECIALS_NONE, 1, 1}, 28, 0x1p-2, 0x1p-4, 32},
      {"fp16", {5, 10, 15, QLOOM_SPECIALS_IEEE, 1, 0}, 65504, 0x1p-14, 0x1p-24, 31744},
      {"bfloat16", {8, 7, 127, QLOOM_SPECIALS_IEEE, 1, 0}, 0x1.FEp127, 0x1p-126, 0x1p-133, 32640},
      {"e6m9", {6, 9, 31, QLOOM_SPECIALS_IEEE, 1, 0}, 0x1.FF8p31, 0x1p-30, 0x1p-39, 32256},
      {"qpytorch e5m2", {5, 2, 15, QLOOM_SPECIALS_NONE, 1, 1}, 114688, 0x1p-14, 0x1p-16, 128}};
  return all;
}

/// Value of a code by the definition value = (-1)^s 2^(E-bias) (1 + f/2^m), in double.
double value_of(const qloom_float_format& f, std::int64_t magnitude) {
  const auto field = static_cast<int>(magnitude >> f.mantissa_bits);
  const double fraction =
      std::ldexp(static_cast<double>(magnitude - (std::int64_t{field} << f.mantissa_bits)),
                 -static_cast<int>(f.mantissa_bits));
  return field == 0 ? std::ldexp(fraction, 1 - f.bias) : std::ldexp(1.0 + fraction, field - f.bias);
}

class Minifloat : public EveryIsa {
 protected:
  static std::vector<float> values(const qloom_call& call, const qloom_float_format& format,
                                   const std::vector<float>& x) {
    std::vector<float> y(x.size());
    const qloom_block block{0, x.size(), 1, x.size(), 0, 1};
    EXPECT_EQ(kernels().minifloat(&call, &format, &block, x.data(), y.data(), nullptr), QLOOM_OK);
    return y;
  }
  static std::vector<std::int32_t> codes(const qloom_call& call, const qloom_float_format& format,
                                         const std::vector<float>& x) {
    std::vector<std::int32_t> code(x.size());
    const qloom_block block{0, x.size(), 1, x.size(), 0, 1};
    EXPECT_EQ(kernels().minifloat(&call, &format, &block, x.data(), nullptr, code.data()),
              QLOOM_OK);
    return code;
  }
  static std::vector<float> decoded(const qloom_float_format& format,
                                    const std::vector<std::int32_t>& code) {
    std::vector<float> y(code.size());
    kernels().minifloat_decode(&format, code.data(), y.data(), y.size());
    return y;
  }
};
QLOOM_ON_EVERY_ISA(Minifloat);

const qloom_call kNearest = call_with(QLOOM_ROUND_NEAREST_EVEN);

TEST_P(Minifloat, EveryFiniteCodeHasItsValueAndComesBack) {
  for (const Named& f : formats()) {
    SCOPED_TRACE(f.name);
    const std::int32_t sign = 1 << (f.format.exponent_bits + f.format.mantissa_bits);
    std::vector<std::int32_t> code;
    std::vector<float> value;
    for (std::int32_t magnitude = 0; magnitude < f.non_negative; ++magnitude) {
      code.push_back(magnitude);
      value.push_back(static_cast<float>(value_of(f.format, magnitude)));
      if (magnitude == 0 && f.format.specials == QLOOM_SPECIALS_FNUZ) continue;
      code.push_back(sign | magnitude);
      value.push_back(-value.back());
    }
    EXPECT_SAME_BITS(decoded(f.format, code), value, code);
    for (const RuleCase c : rule_cases()) {  // grid points stay under every rule
      const qloom_call call = call_with(c.rule, c.argument);
      const std::vector<std::int32_t> back = codes(call, f.format, value);
      for (std::size_t i = 0; i < code.size(); ++i) {
        if (value[i] == 0.0F) continue;  // floor of -0 keeps its sign, floor + 1 of -1 does not
        ASSERT_EQ(back[i], code[i]) << "rule " << c.rule << " value " << value[i];
      }
    }
    EXPECT_EQ(codes(kNearest, f.format, value), code);
    EXPECT_SAME_BITS(values(kNearest, f.format, value), value, value);
    EXPECT_EQ(static_cast<double>(value[value.size() - 2]), f.max);
    EXPECT_EQ(value_of(f.format, 1), f.min_subnormal);
    EXPECT_EQ(value_of(f.format, 1 << f.format.mantissa_bits), f.min_normal);
  }
}

TEST_P(Minifloat, RoundsToTheNearestCodeAndTiesToTheEvenOne) {
  for (const Named& f : formats()) {
    SCOPED_TRACE(f.name);
    std::vector<float> x, expected;
    const auto add = [&](double input, double result) {
      for (const double s : {1.0, -1.0}) {
        x.push_back(static_cast<float>(s * input));
        expected.push_back(static_cast<float>(s * result));
      }
    };
    for (std::int64_t code = 0; code + 1 < f.non_negative; ++code) {
      const double low = value_of(f.format, code), high = value_of(f.format, code + 1);
      const double middle = (low + high) / 2;  // exact in float32 for these formats
      add(middle, code % 2 == 0 ? low : high);
      const auto tie = static_cast<float>(middle);
      add(static_cast<double>(std::nextafter(tie, 0.0F)), low);
      add(static_cast<double>(std::nextafter(tie, 3.4e38F)), high);
    }
    const std::vector<float> y = values(kNearest, f.format, x);
    for (std::size_t i = 0; i < x.size(); ++i) ASSERT_EQ(y[i], expected[i]) << "x " << x[i];
  }
}

TEST_P(Minifloat, GivesTheHandbooksNumbers) {
  const qloom_float_format e4m3{4, 3, 7, QLOOM_SPECIALS_FN, 1, 1};
  const qloom_float_format e5m2{5, 2, 15, QLOOM_SPECIALS_IEEE, 1, 1};
  const qloom_float_format hfp8{4, 3, 11, QLOOM_SPECIALS_NONE, 1, 1};
  EXPECT_EQ(
      values(kNearest, e4m3,
             {0.3F, 1.0625F, 1.1875F, 464.0F, 465.0F, 0x1p-10F, 0x1.8p-10F, 17.0F, 19.0F, 240.0F}),
      (std::vector<float>{0.3125F, 1.0F, 1.25F, 448.0F, 448.0F, 0.0F, 0x1p-9F, 16.0F, 20.0F,
                          240.0F}));
  EXPECT_EQ(values(kNearest, e5m2, {0.3F, 240.0F}), (std::vector<float>{0.3125F, 256.0F}));
  EXPECT_EQ(values(kNearest, hfp8, {0.3F, 240.0F}), (std::vector<float>{0.3125F, 30.0F}));
}

TEST_P(Minifloat, OverflowsAsTheFormatSays) {
  const float infinity = from_bits(0x7F800000U), nan = from_bits(0x7FC00000U);
  const std::vector<float> x{61439.0F, 61440.0F, 1e30F, infinity, -infinity, -61440.0F, nan};
  const qloom_float_format ieee{5, 2, 15, QLOOM_SPECIALS_IEEE, 1, 0};
  EXPECT_SAME_BITS(
      values(kNearest, ieee, x),
      (std::vector<float>{57344, infinity, infinity, infinity, -infinity, -infinity, nan}), x);
  EXPECT_EQ(codes(kNearest, ieee, x),
            (std::vector<std::int32_t>{0x7B, 0x7C, 0x7C, 0x7C, 0xFC, 0xFC, 0x7E}));
  const qloom_float_format clamped{5, 2, 15, QLOOM_SPECIALS_IEEE, 1, 1};
  EXPECT_SAME_BITS(values(kNearest, clamped, x),
                   (std::vector<float>{57344, 57344, 57344, 57344, -57344, -57344, nan}), x);
  const std::vector<float> y{464.0F, 464.00003F, -infinity, nan, -nan};
  const qloom_float_format fn{4, 3, 7, QLOOM_SPECIALS_FN, 1, 0};
  EXPECT_SAME_BITS(values(kNearest, fn, y), (std::vector<float>{448, nan, nan, nan, nan}), y);
  EXPECT_EQ(codes(kNearest, fn, y), (std::vector<std::int32_t>{0x7E, 0x7F, 0x7F, 0x7F, 0x7F}));
  const qloom_float_format fnuz{4, 3, 8, QLOOM_SPECIALS_FNUZ, 1, 0};
  const std::vector<float> z{-0.0F, -0x1p-12F, 247.9F, 248.0F, -nan};
  EXPECT_SAME_BITS(values(kNearest, fnuz, z), (std::vector<float>{0, 0, 240, nan, nan}), z);
  EXPECT_EQ(codes(kNearest, fnuz, z), (std::vector<std::int32_t>{0, 0, 0x7F, 0x80, 0x80}));
  const qloom_float_format none{2, 1, 1, QLOOM_SPECIALS_NONE, 1, 0};
  EXPECT_SAME_BITS(values(kNearest, none, x), (std::vector<float>{6, 6, 6, 6, -6, -6, 6}), x);
}

TEST_P(Minifloat, DecodesInfinityAndEveryNan) {
  const qloom_float_format ieee{5, 2, 15, QLOOM_SPECIALS_IEEE, 1, 0};
  const float infinity = from_bits(0x7F800000U), nan = from_bits(0x7FC00000U);
  const std::vector<std::int32_t> code{0x7C, 0xFC, 0x7D, 0x7E, 0xFF};
  EXPECT_SAME_BITS(decoded(ieee, code), (std::vector<float>{infinity, -infinity, nan, nan, nan}),
                   code);
  const qloom_float_format fnuz{4, 3, 8, QLOOM_SPECIALS_FNUZ, 1, 0};
  const std::vector<std::int32_t> zeros{0x80, 0x00, 0x81};
  EXPECT_SAME_BITS(decoded(fnuz, zeros), (std::vector<float>{nan, 0.0F, -0x1p-10F}), zeros);
}

TEST_P(Minifloat, FlushesSubnormalsBeforeRoundingWhenAsked) {
  const qloom_float_format flushed{4, 3, 7, QLOOM_SPECIALS_FN, 0, 1};
  const std::vector<float> x{0x1p-6F, std::nextafter(0x1p-6F, 0.0F), -0x1p-7F, 0x1.1p-6F};
  EXPECT_SAME_BITS(values(kNearest, flushed, x),
                   (std::vector<float>{0x1p-6F, 0.0F, -0.0F, 0x1p-6F}), x);
}

TEST_P(Minifloat, HasTheBitsOfTheDefinitionForAllTopHalvesAndRules) {
  std::vector<float> x = all_top_halves();
  const std::vector<float> hard = hard_values();
  x.insert(x.end(), hard.begin(), hard.end());
  std::vector<Named> all = formats();
  all.push_back({"fp32", {8, 23, 127, QLOOM_SPECIALS_IEEE, 1, 0}, 0, 0, 0, 0});
  all.push_back({"e1m0", {1, 0, 0, QLOOM_SPECIALS_NONE, 0, 1}, 0, 0, 0, 0});
  all.push_back({"high", {4, 3, -100, QLOOM_SPECIALS_NONE, 1, 1}, 0, 0, 0, 0});
  const qloom_block block{3, x.size(), 1, x.size(), 0, 1};
  for (std::size_t f = 0; f < all.size(); ++f) {
    const RuleCase c = rule_cases()[f % rule_cases().size()];  // each format with two rules
    for (const RuleCase rule : {RuleCase{1, 0}, c}) {
      SCOPED_TRACE(all[f].name + " rule " + std::to_string(rule.rule));
      const qloom_call call = call_with(rule.rule, rule.argument);
      const qloom_float_format& format = all[f].format;
      std::vector<float> y(x.size()), expected(x.size());
      std::vector<std::int32_t> code(x.size()), expected_code(x.size());
      ASSERT_EQ(kernels().minifloat(&call, &format, &block, x.data(), y.data(), code.data()),
                QLOOM_OK);
      ref::minifloat(&call, &format, &block, x.data(), expected.data(), expected_code.data());
      EXPECT_SAME_BITS(y, expected, x);
      EXPECT_EQ(code, expected_code);
      EXPECT_SAME_BITS(decoded(format, code), y, x);
    }
  }
}

TEST_P(Minifloat, FloatThirtyTwoIsTheIdentity) {
  const qloom_float_format fp32{8, 23, 127, QLOOM_SPECIALS_IEEE, 1, 0};
  std::vector<float> x = all_top_halves();
  x.erase(std::remove_if(x.begin(), x.end(), [](float v) { return std::isnan(v); }), x.end());
  EXPECT_SAME_BITS(values(kNearest, fp32, x), x, x);
  const std::vector<std::int32_t> code = codes(kNearest, fp32, x);
  for (std::size_t i = 0; i < x.size(); ++i) {
    ASSERT_EQ(static_cast<std::uint32_t>(code[i]), bits(x[i]));
  }
}

TEST_P(Minifloat, ARoundingMethodGivesWhatItsRuleGives) {
  const std::vector<float> x = spread(3000, 500.0F);
  for (const Named& f : formats()) {
    for (const RuleCase c : rule_cases()) {
      const Method method(c);
      const qloom_call fused = call_with(c.rule, c.argument);
      EXPECT_SAME_BITS(values(method.call(), f.format, x), values(fused, f.format, x), x);
      EXPECT_EQ(codes(method.call(), f.format, x), codes(fused, f.format, x));
    }
  }
}

TEST_P(Minifloat, StochasticIsUnbiasedBetweenTwoCodes) {
  // 1.05 lies 0.4 of the way from 1 to 1.125; 5 standard deviations: one false alarm in 1.7 million
  constexpr std::size_t kDraws = 100000;
  const qloom_float_format e4m3{4, 3, 7, QLOOM_SPECIALS_FN, 1, 1};
  const qloom_call call = call_with(QLOOM_ROUND_STOCHASTIC, 24);
  double sum = 0.0;
  for (const float y : values(call, e4m3, std::vector<float>(kDraws, -1.05F))) {
    ASSERT_TRUE(y == -1.0F || y == -1.125F);
    sum += static_cast<double>(y);
  }
  EXPECT_NEAR(sum / kDraws, -1.05, 5.0 * 0.125 * std::sqrt(0.4 * 0.6 / kDraws) + 1e-7);
}

TEST_P(Minifloat, TakesEveryLengthAndOffsetAndWritesNothingElse) {
  const std::vector<float> x = spread(80, 3.0F);
  const qloom_float_format e5m2{5, 2, 15, QLOOM_SPECIALS_IEEE, 1, 0};
  const qloom_call call = call_with(QLOOM_ROUND_STOCHASTIC, 8);
  for (const std::size_t offset : {0U, 1U, 3U}) {
    for (std::size_t n = 0; n <= 67; ++n) {
      const qloom_block block{5, n, 1, 100, 0, 1};
      std::vector<float> y(n + offset + 1, 99.0F), expected(y);
      std::vector<std::int32_t> code(n + offset + 1, 99), expected_code(code);
      kernels().minifloat(&call, &e5m2, &block, x.data() + offset, y.data() + offset,
                          code.data() + offset);
      ref::minifloat(&call, &e5m2, &block, x.data() + offset, expected.data() + offset,
                     expected_code.data() + offset);
      ASSERT_EQ(first_difference(y, expected), -1) << n;
      ASSERT_EQ(code, expected_code) << n;
      kernels().minifloat_decode(&e5m2, code.data() + offset, y.data() + offset, n);
      ASSERT_EQ(first_difference(y, expected), -1) << n;
    }
  }
}

TEST_P(Minifloat, RefusesFormatsThatFloatThirtyTwoCannotHold) {
  const qloom_block block{0, 1, 1, 1, 0, 1};
  const float x = 1.0F;
  float y = 0.0F;
  for (const qloom_float_format bad :
       {qloom_float_format{9, 3, 127, 1, 1, 0}, qloom_float_format{4, 24, 7, 1, 1, 0},
        qloom_float_format{8, 7, 128, 1, 1, 0}, qloom_float_format{8, 7, 100, 1, 1, 0},
        qloom_float_format{4, 3, 7, 4, 1, 0}, qloom_float_format{1, 2, 0, 1, 1, 0},
        qloom_float_format{0, 3, 0, 0, 1, 0}}) {
    qloom_error error{};
    qloom_call call = call_with(QLOOM_ROUND_NEAREST_EVEN);
    call.error = &error;
    EXPECT_EQ(kernels().minifloat(&call, &bad, &block, &x, &y, nullptr), QLOOM_E_INVALID);
    EXPECT_NE(error.message[0], '\0');
  }
}

}  // namespace
}  // namespace qloom::kernels::test
