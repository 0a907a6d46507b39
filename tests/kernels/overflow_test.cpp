// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What the rounding direction makes of numbers beyond the largest value of a float format.
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "tests/kernels/every_isa.hpp"

namespace qloom::kernels::test {
namespace {

constexpr float kMost = std::numeric_limits<float>::max();
const qloom_float_format kE5m2{5, 2, 15, QLOOM_SPECIALS_IEEE, 1, 0};     // largest 57344
const qloom_float_format kE4m3{4, 3, 7, QLOOM_SPECIALS_IEEE, 1, 0};      // largest 240
const qloom_float_format kE4m3Fn{4, 3, 7, QLOOM_SPECIALS_FN, 1, 0};      // largest 448, no infinity
const qloom_float_format kE4m3Fnuz{4, 3, 8, QLOOM_SPECIALS_FNUZ, 1, 0};  // largest 240, one NaN
const qloom_float_format kBfloat{8, 7, 127, QLOOM_SPECIALS_IEEE, 1, 0};
const qloom_float_format kE5m22{5, 22, 15, QLOOM_SPECIALS_IEEE, 1, 0};

/// Sides on which a finite number becomes the largest value.
struct Sides {
  std::uint32_t rule, argument;
  bool positive, negative;
};
const Sides kSides[] = {{1, 0, false, false}, {2, 0, false, false},  {3, 0, false, false},
                        {4, 0, true, true},   {5, 0, true, false},   {6, 0, false, true},
                        {7, 1, false, false}, {7, 16, false, false}, {7, 32, false, false},
                        {8, 0, false, false}};

class Overflow : public EveryIsa {
 protected:
  struct Result {
    std::vector<float> value;
    std::vector<std::int32_t> code;
  };
  static Result quantized(const qloom_call& call, const qloom_float_format& format,
                          const std::vector<float>& x) {
    Result r{std::vector<float>(x.size()), std::vector<std::int32_t>(x.size())};
    const qloom_block block{0, x.size(), 1, x.size(), 0, 1};
    EXPECT_EQ(kernels().minifloat(&call, &format, &block, x.data(), r.value.data(), r.code.data()),
              QLOOM_OK);
    return r;
  }
  /// One sum of one product, and whether it counts as an overflow.
  static double sum(const qloom_call& call, const qloom_float_format& format, float product,
                    std::uint64_t& overflows) {
    const float one = 1.0F;
    double c = 0.0;
    const qloom_tile tile{&product, &one, &c, 1, 1, 1, 1, 1, 1, 0, 1};
    EXPECT_EQ(kernels().accumulate_float(&call, &tile, &format, 0, &overflows), QLOOM_OK);
    return c;
  }
};
QLOOM_ON_EVERY_ISA(Overflow);

TEST_P(Overflow, GoesToTheLargestValueWhereTheDirectionNeverLeavesIt) {
  const std::vector<float> x{65536, -65536, 57345, -57345, 1e30F, -1e30F, kMost, -kMost};
  for (const Sides& s : kSides) {
    const Result r = quantized(call_with(s.rule, s.argument), kE5m2, x);
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (std::fabs(x[i]) < 65536) continue;  // rounds to the largest value or overflows
      const bool keeps = x[i] > 0 ? s.positive : s.negative;
      const float expected = std::copysign(keeps ? 57344.0F : kInfinity, x[i]);
      EXPECT_EQ(r.value[i], expected) << "rule " << s.rule << " " << x[i];
      EXPECT_EQ(r.code[i], (keeps ? 0x7B : 0x7C) | (x[i] > 0 ? 0 : 0x80)) << "rule " << s.rule;
    }
  }
  EXPECT_EQ(quantized(call_with(QLOOM_ROUND_TOWARD_ZERO), kE5m2, x).value,
            (std::vector<float>{57344, -57344, 57344, -57344, 57344, -57344, 57344, -57344}));
  EXPECT_EQ(quantized(call_with(QLOOM_ROUND_TOWARD_NEGATIVE), kE5m2, x).value,
            (std::vector<float>{57344, -kInfinity, 57344, -kInfinity, 57344, -kInfinity, 57344,
                                -kInfinity}));
  EXPECT_EQ(quantized(call_with(QLOOM_ROUND_TOWARD_POSITIVE), kE5m2, x).value,
            (std::vector<float>{kInfinity, -57344, kInfinity, -57344, kInfinity, -57344, kInfinity,
                                -57344}));
}

TEST_P(Overflow, InfinitiesAreNoOverflow) {
  const std::vector<float> x{kInfinity, -kInfinity};
  for (const Sides& s : kSides) {
    const qloom_call call = call_with(s.rule, s.argument);
    EXPECT_EQ(quantized(call, kE5m2, x).value, x) << "rule " << s.rule;
    EXPECT_EQ(quantized(call, kE5m2, x).code, (std::vector<std::int32_t>{0x7C, 0xFC}));
    EXPECT_EQ(quantized(call, kE4m3Fn, x).code, (std::vector<std::int32_t>{0x7F, 0x7F}));
    std::uint64_t overflows = 0;
    EXPECT_EQ(sum(call, kE5m2, -kInfinity, overflows), -kInfinity);
    EXPECT_EQ(overflows, 0U);
  }
}

TEST_P(Overflow, IsTheSameInFormatsWithoutInfinity) {
  const std::vector<float> x{1000, -1000, 480, -480};
  for (const Sides& s : kSides) {
    for (const qloom_float_format& format : {kE4m3Fn, kE4m3Fnuz}) {
      const bool is_fn = format.specials == QLOOM_SPECIALS_FN;
      const Result r = quantized(call_with(s.rule, s.argument), format, x);
      for (std::size_t i = 0; i < x.size(); ++i) {
        const bool keeps = x[i] > 0 ? s.positive : s.negative;
        if (keeps) {
          EXPECT_EQ(r.value[i], std::copysign(is_fn ? 448.0F : 240.0F, x[i])) << s.rule;
          EXPECT_EQ(r.code[i], (is_fn ? 0x7E : 0x7F) | (x[i] > 0 ? 0 : 0x80)) << s.rule;
        } else {
          EXPECT_TRUE(std::isnan(r.value[i])) << s.rule << " " << x[i];
          EXPECT_EQ(r.code[i], is_fn ? 0x7F : 0x80) << s.rule;
        }
      }
    }
  }
}

TEST_P(Overflow, IsTheSameAtTheEndOfFloat) {
  const float most = 0x1.FEp127F;  // of bfloat16
  const std::vector<float> x{kMost, -kMost};
  for (const Sides& s : kSides) {
    if (s.rule >= 7) continue;  // they may round to the largest value
    const Result r = quantized(call_with(s.rule, s.argument), kBfloat, x);
    EXPECT_EQ(r.value,
              (std::vector<float>{s.positive ? most : kInfinity, s.negative ? -most : -kInfinity}))
        << "rule " << s.rule;
  }
}

TEST_P(Overflow, ASumFollowsTheDirectionAndCountsAllTheSame) {
  for (const Sides& s : kSides) {
    const qloom_call call = call_with(s.rule, s.argument);
    for (const float product : {300.0F, -300.0F, 256.0F, -1e38F}) {
      std::uint64_t overflows = 0;
      const bool keeps = product > 0 ? s.positive : s.negative;
      EXPECT_EQ(sum(call, kE4m3, product, overflows),
                std::copysign(keeps ? 240.0 : static_cast<double>(kInfinity), product))
          << "rule " << s.rule << " " << product;
      EXPECT_EQ(overflows, 1U);  // what became of the sum fits the total
    }
  }
}

/// A rounding method of somebody else.
class Foreign {
 public:
  using Function = float (*)(float);
  explicit Foreign(Function function, qloom_status status = QLOOM_OK)
      : function_(function), status_(status) {
    ops_.struct_size = sizeof ops_;
    ops_.round = [](const void* self, const qloom_call*, std::uint64_t, const float* x, float* y,
                    std::uint64_t n) noexcept -> qloom_status {
      const auto& method = *static_cast<const Foreign*>(self);
      for (std::uint64_t i = 0; i < n; ++i) y[i] = method.function_(x[i]);
      return method.status_;
    };
  }
  Foreign(const Foreign&) = delete;
  Foreign& operator=(const Foreign&) = delete;
  [[nodiscard]] qloom_call call() const {
    qloom_call call = call_with(QLOOM_ROUND_GENERIC);
    call.rounding = {this, &ops_, QLOOM_ROUND_GENERIC, 0};
    return call;
  }

 private:
  Function function_;
  qloom_status status_;
  qloom_rounding ops_{};
};

/// What is cut off makes the last bit one: an odd largest value keeps all that lies beyond it.
float to_odd(float t) {
  const float whole = std::trunc(t);
  const bool is_even = std::fmod(whole, 2.0F) == 0.0F;
  return whole != t && is_even ? whole + std::copysign(1.0F, t) : whole;
}

TEST_P(Overflow, ARoundingMethodGoesWhereItGoesBesideTheLargestValue) {
  const std::vector<float> x{1e30F, -1e30F};
  const auto of = [&](Foreign::Function f, const qloom_float_format& format) {
    const Foreign method(f);
    const std::vector<float> y = quantized(method.call(), format, x).value;
    std::uint64_t overflows = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double total = sum(method.call(), format, x[i], overflows);
      EXPECT_TRUE(std::isnan(y[i]) ? std::isnan(total) : total == static_cast<double>(y[i]));
    }
    return y;
  };
  for (const auto& [format, most] : {std::pair{kE5m2, 57344.0F}, {kE5m22, 0x1.fffffcp15F}}) {
    EXPECT_EQ(of([](float t) { return std::trunc(t); }, format), (std::vector<float>{most, -most}));
    EXPECT_EQ(of([](float t) { return std::floor(t); }, format),
              (std::vector<float>{most, -kInfinity}));
    EXPECT_EQ(of([](float t) { return std::ceil(t); }, format),
              (std::vector<float>{kInfinity, -most}));
    EXPECT_EQ(of([](float t) { return std::nearbyint(t); }, format),
              (std::vector<float>{kInfinity, -kInfinity}));
    EXPECT_EQ(of(to_odd, format), (std::vector<float>{most, -most}));
  }
  EXPECT_TRUE(std::isnan(of(to_odd, kE4m3Fn)[0]));  // 448 has an even significand
}

TEST_P(Overflow, ARoundingMethodThatIsARuleOverflowsAsTheRuleDoes) {
  const std::vector<float> x{1e30F, -1e30F, 300.0F, -300.0F, 500.0F, -500.0F, 241.0F, -250.0F};
  for (const Sides& s : kSides) {
    const Method method({s.rule, s.argument});
    for (const qloom_float_format& format : {kE5m2, kE4m3, kE4m3Fn, kE4m3Fnuz, kBfloat}) {
      const Result fused = quantized(call_with(s.rule, s.argument), format, x);
      const Result generic = quantized(method.call(), format, x);
      EXPECT_SAME_BITS(generic.value, fused.value, x);
      EXPECT_EQ(generic.code, fused.code) << "rule " << s.rule;
    }
  }
}

TEST_P(Overflow, AMethodsErrorIsTheCalls) {
  const Foreign method([](float t) { return t; }, QLOOM_E_NUMERIC);
  const float x = 1.0F;
  float y = 0.0F;
  const qloom_block block{0, 1, 1, 1, 0, 1};
  const qloom_call call = method.call();
  EXPECT_EQ(kernels().minifloat(&call, &kE5m2, &block, &x, &y, nullptr), QLOOM_E_NUMERIC);
}

}  // namespace
}  // namespace qloom::kernels::test
