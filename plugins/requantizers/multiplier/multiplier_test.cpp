// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Presets against the formulas of the libraries in integers of 128 bits. The oracle in Python's
// integers is in tests/requantizers.
#include "tests/support/random_chain.hpp"
#include "tests/support/requantizer_harness.hpp"

namespace qloom::test {
namespace {

__extension__ using Int128 = __int128;

Int128 half_up_of(Int128 v, int n) { return n == 0 ? v : (v + (Int128{1} << (n - 1))) >> n; }
Int128 half_away_of(Int128 v, int n) { return v < 0 ? -half_up_of(-v, n) : half_up_of(v, n); }

/// M = q / 2^bits * 2^e
struct Parts {
  Int128 q;
  int e;
};
Parts parts_of(double factor, int bits = 31) {
  Parts p{0, 0};
  p.q = std::llround(std::frexp(factor, &p.e) * std::exp2(bits));
  if (p.q == Int128{1} << bits) p = {p.q / 2, p.e + 1};
  return p;
}

std::int64_t clamped(Int128 code) {
  return static_cast<std::int64_t>(code < -128 ? -128 : code > 127 ? 127 : code);
}

/// A times the multiplier as TensorFlow Lite states it; `away` or up at the end.
Int128 doubled(Int128 a, Parts p, bool away) {
  const Int128 high = half_up_of((a << std::max(p.e, 0)) * p.q, 31);
  return away ? half_away_of(high, std::max(-p.e, 0)) : half_up_of(high, std::max(-p.e, 0));
}

std::string preset(const std::string& name) { return R"({"preset": ")" + name + "\"}"; }

/// body(task, bias of the sum, sum) for random scales and sums of 24 bits.
template <class Body>
void for_random_sums(std::uint64_t seed, const Body& body) {
  Dice dice(seed);
  for (int i = 0; i < 300; ++i) {
    const double factor =
        std::ldexp(1.0 + static_cast<double>(dice.in(0, 1 << 20)) / (1 << 20), dice.small(-24, 1));
    const std::int64_t bias = dice.of_bits(18);
    const RequantizeTask task =
        sum_task({factor}, {factor * static_cast<double>(bias)}, 1 << 24, dice.small(-20, 20));
    std::vector<std::int64_t> sums;
    for (int k = 0; k < 300; ++k) {
      const auto near = static_cast<std::int64_t>(140 / factor) + 1;
      sums.push_back(std::clamp<std::int64_t>(dice.in(-near, near) - bias, -(1 << 24), 1 << 24));
    }
    body(task, bias, sums);
  }
}

TEST(Multiplier, TfliteReferenceAndRuyAreTheirFormulas) {
  for (const bool away : {true, false}) {
    for_random_sums(1, [&](const RequantizeTask& task, std::int64_t bias, const auto& sums) {
      const Requantization r =
          derive("multiplier", preset(away ? "tflite_reference" : "ruy"), task);
      for (const std::int64_t s : sums) {
        ASSERT_EQ(code_of(r, 0, {s}),
                  clamped(doubled(s + bias, parts_of(task.factor[0]), away) + task.zero_point))
            << s << " " << bias << " " << task.factor[0];
      }
    });
  }
}

TEST(Multiplier, SingleRoundingIsItsFormula) {
  for_random_sums(2, [&](const RequantizeTask& task, std::int64_t bias, const auto& sums) {
    const Requantization r = derive("multiplier", preset("cmsis_nn_single"), task);
    const Parts p = parts_of(task.factor[0]);
    for (const std::int64_t s : sums) {
      ASSERT_EQ(code_of(r, 0, {s}),
                clamped(half_up_of((s + bias) * p.q, 31 - p.e) + task.zero_point));
    }
  });
}

TEST(Multiplier, DoryDropsTheBitsBelow) {
  for (const int bits : {4, 8, 16, 31}) {
    for_random_sums(3, [&](const RequantizeTask& task, std::int64_t, const auto& sums) {
      const Requantization r =
          derive("multiplier", R"({"preset": "dory", "bits": )" + std::to_string(bits) + "}", task);
      const Parts p = parts_of(task.factor[0], bits);
      const Int128 b = std::llrint(std::ldexp(task.offset[0], bits - p.e));  // never a tie here
      for (const std::int64_t s : sums) {
        ASSERT_EQ(code_of(r, 0, {s}), clamped(((s * p.q + b) >> (bits - p.e)) + task.zero_point));
      }
    });
  }
}

/// Q is about A / 2^k, never above: k = floor(log2((2^m - 1) / Q)), A = floor(2^k Q).
TEST(Multiplier, DistillerApproximatesScalesFromBelow) {
  const auto rule = [](int bits) {
    return R"({"preset": "distiller", "bits": )" + std::to_string(bits) + "}";
  };
  const RequantizeTask task = sum_task({.0123}, {0}, 10000);
  const Requantization known = derive("multiplier", rule(8), task);
  EXPECT_EQ(steps::text_of(known.behind, 0).substr(0, 10), "* 201, >> ") << "A of the handbook";
  EXPECT_EQ(code_of(known, 0, {8192}), 100) << "201 / 2^14 * 2^13 = 100.5 to the even one";
  EXPECT_EQ(code_of(known, 0, {-4000}), -49) << "-49.07";
  for (const int bits : {4, 8, 15}) {
    for_random_sums(9, [&](const RequantizeTask& one, std::int64_t bias, const auto& sums) {
      const Requantization r = derive("multiplier", rule(bits), one);
      const double q = one.factor[0];
      const int k = static_cast<int>(std::floor(std::log2((std::exp2(bits) - 1) / q)));
      const auto a = static_cast<std::int64_t>(std::floor(std::ldexp(q, k)));
      ASSERT_LE(std::ldexp(static_cast<double>(a), -k), q);
      for (const std::int64_t s : sums) {
        const double exact = std::ldexp(static_cast<double>((s + bias) * a), -k);
        ASSERT_EQ(code_of(r, 0, {s}),
                  clamped(static_cast<std::int64_t>(std::nearbyint(exact)) + one.zero_point))
            << s << " " << bias << " " << q << " " << bits;
      }
    });
  }
}

/// The two sums of docs/program.md that tell the schemes apart; scales in float32 as there.
TEST(Multiplier, PresetsPartWhereThePageSaysSo) {
  const auto factor = [](float x, float w, float y) {
    return static_cast<double>(x) * static_cast<double>(w) / static_cast<double>(y);
  };
  const RequantizeTask a = sum_task({factor(0.001F, 0.051F, 0.0017F)}, {0}, 5000);
  const RequantizeTask b = sum_task({factor(0.001F, 0.007F, 0.00063F)}, {0}, 5000, -126);
  const auto code = [](const char* name, const RequantizeTask& task, std::int64_t s) {
    return code_of(derive("multiplier", preset(name), task), 0, {s});
  };
  EXPECT_EQ(code("tflite_reference", a, -2950), -89);
  EXPECT_EQ(code("ruy", a, -2950), -88);
  EXPECT_EQ(code("cmsis_nn_single", a, -2950), -89);
  EXPECT_EQ(code("dory", a, -2950), -89);
  EXPECT_EQ(code("tflite_reference", b, 585), -119);
  EXPECT_EQ(code("ruy", b, 585), -119);
  EXPECT_EQ(code("cmsis_nn_single", b, 585), -119);
  EXPECT_EQ(code("dory", b, 585), -120);
}

TEST(Multiplier, AJoinIsTensorFlowLitesAdd) {
  Dice dice(4);
  for (int i = 0; i < 40; ++i) {
    const double f[] = {std::ldexp(static_cast<double>(dice.in(1 << 20, 1 << 21)), -21),
                        std::ldexp(static_cast<double>(dice.in(1 << 20, 1 << 21)), -22)};
    const int zero_point = dice.small(-50, 50);
    const Requantization r =
        derive("multiplier", preset("tflite_reference"), join_task({f[0], f[1]}, zero_point));
    const double twice = 2 * std::max(f[0], f[1]);
    const Parts p[] = {parts_of(f[0] / twice), parts_of(f[1] / twice)};
    const Parts out = parts_of(twice / (1 << 20));
    for (std::int64_t x = -255; x <= 255; x += 3) {
      for (std::int64_t y = -255; y <= 255; y += 5) {
        const Int128 sum =
            doubled(Int128{x} << 20, p[0], true) + doubled(Int128{y} << 20, p[1], true);
        ASSERT_EQ(code_of(r, 0, {x, y}), clamped(doubled(sum, out, true) + zero_point))
            << x << " " << y << " " << f[0] << " " << f[1];
      }
    }
  }
}

TEST(Multiplier, AJoinOfOneShiftHasOneScale) {
  const Requantization r =
      derive("multiplier", R"({"bits": 8, "rounding": "single"})", join_task({0.75, 0.3}, 2));
  ASSERT_EQ(r.before.size(), 2U);
  EXPECT_EQ(text_of(r.before[0], 0), "* 192");  // 0.75 * 2^8
  EXPECT_EQ(text_of(r.before[1], 0), "* 77");   // 0.3 * 2^8 = 76.8
  EXPECT_EQ(text_of(r.behind, 0), ">> 8 nearest_up, + 2, clamp -128 127");
}

TEST(Multiplier, RoundsAsTheRuleSaysWhereItsOwnParametersDoNot) {
  RequantizeTask task = sum_task({0.5}, {0}, 100);
  const auto codes = [&](const std::string& params, std::uint32_t rule) {
    task.rounding = rule;
    const Requantization r = derive("multiplier", params, task);
    return std::vector<std::int64_t>{code_of(r, 0, {-3}), code_of(r, 0, {1}), code_of(r, 0, {3})};
  };
  using Codes = std::vector<std::int64_t>;
  EXPECT_EQ(codes("{}", QLOOM_ROUND_NEAREST_EVEN), (Codes{-2, 0, 2}));
  EXPECT_EQ(codes("{}", QLOOM_ROUND_NEAREST_AWAY), (Codes{-2, 1, 2}));
  EXPECT_EQ(codes("{}", QLOOM_ROUND_NEAREST_UP), (Codes{-1, 1, 2}));
  EXPECT_EQ(codes("{}", QLOOM_ROUND_TOWARD_ZERO), (Codes{-1, 0, 1}));
  EXPECT_EQ(codes("{}", QLOOM_ROUND_TOWARD_NEGATIVE), (Codes{-2, 0, 1}));
  EXPECT_EQ(codes("{}", QLOOM_ROUND_TOWARD_POSITIVE), (Codes{-1, 1, 2}));
  EXPECT_EQ(codes(R"({"rounding": "single"})", QLOOM_ROUND_TOWARD_ZERO), (Codes{-1, 1, 2}));
}

TEST(Multiplier, TwoToTheThirtyOneBecomesHalfOfIt) {
  const double above = 1 - 0x1p-40;  // rounds to 2^31, which is 2^30 at the next exponent
  const RequantizeTask task = sum_task({above}, {0}, 100);
  EXPECT_EQ(text_of(derive("multiplier", preset("cmsis_nn_single"), task).behind, 0),
            "* 1073741824, >> 30 nearest_up, clamp -128 127");
}

TEST(Multiplier, ChannelsHaveTheirOwnConstantsAndZeroFactorsTheirCode) {
  const RequantizeTask task = sum_task({0.25, -0.5, 0}, {0, 2, -17.25}, 1000, 3);
  for (const char* params : {"{}", R"({"bias_scale": "sum"})", R"({"rounding": "double_away"})"}) {
    const Requantization r = derive("multiplier", params, task);
    EXPECT_EQ(code_of(r, 0, {100}), 28) << params;
    EXPECT_EQ(code_of(r, 1, {100}), -45) << params;
    EXPECT_EQ(code_of(r, 2, {100}), -14) << params;
  }
}

TEST(Multiplier, ABiasThatNeedsRoomTakesBitsOfItsOwnMultiplier) {
  const RequantizeTask task = sum_task({1e-9}, {40.3}, 1000);  // 40.3 * 2^60 leaves 64 bits
  const Requantization r = derive("multiplier", R"({"rounding": "single"})", task);
  for (const std::int64_t s : {-1000, 0, 1000}) EXPECT_EQ(code_of(r, 0, {s}), 40);
}

TEST(Multiplier, RefusesWhatDoesNotFitAndNamesTheChannel) {
  const auto refusal = [](const std::string& params, const RequantizeTask& task) {
    return refusal_of("multiplier", params, task);
  };
  const auto wide = sum_task({0.5, 0x1p-33}, {0, 0}, std::int64_t{1} << 40);
  EXPECT_NE(refusal("{}", wide)
                .find(R"(requantizer "multiplier": derive output/conv1: channel 0: a )"
                      "sum of magnitude 1.09951e+12"),
            std::string::npos)
      << refusal("{}", wide);
  EXPECT_EQ(refusal(R"({"bits": 16})", wide), "");
  const auto biased = sum_task({0.5, 1e-8}, {0, 100}, 1000);
  EXPECT_NE(
      refusal(R"({"bias_scale": "sum"})", biased).find("channel 1: the bias at the sum's scale"),
      std::string::npos);
  EXPECT_EQ(refusal("{}", biased), "");
  const auto large = sum_task({0.5, 3}, {0, 0}, 1000);
  EXPECT_NE(refusal(R"({"rounding": "double_up", "left_shift": false})", large)
                .find("channel 1: factor 3 needs a left shift of 2 bits"),
            std::string::npos);
  EXPECT_EQ(refusal(R"({"rounding": "single", "left_shift": false})", large), "");
}

TEST(Multiplier, APresetStandsForItsParametersAndForNoOthers) {
  const auto resolved = [](const std::string& text) {
    const registry::Method* method = registry().find("requantizer", "multiplier");
    return registry().resolve_parameters(*method, Json::parse(text), "r.json: /requantizer");
  };
  const Json full = resolved(R"({"preset": "ruy"})");
  EXPECT_EQ(full, Json::parse(R"({"preset": "ruy", "bits": 31, "rounding": "double_up",
                                  "bias_scale": "sum", "left_shift": true,
                                  "approximation": "nearest"})"));
  EXPECT_EQ(resolved(full.dump()), full);
  EXPECT_EQ(resolved(R"({"preset": "dory", "bits": 8})")["bits"], 8);
  try {
    resolved(R"({"preset": "ruy", "bits": 16})");
    FAIL();
  } catch (const InputError& error) {
    EXPECT_STREQ(error.what(),
                 "r.json: /requantizer/bits: 16, but the preset \"ruy\" has 31; expected one of "
                 "the two");
  }
  EXPECT_THROW(resolved(R"({"preset": "rui"})"), InputError);
}

}  // namespace
}  // namespace qloom::test
