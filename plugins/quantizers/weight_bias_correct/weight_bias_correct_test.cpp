// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The repair of weights in both its forms: a parameter of affine, and around another quantizer.
#include <cmath>
#include <cstring>

#include "host/tensor/error.hpp"
#include "tests/support/method.hpp"

namespace qloom::test {
namespace {

const sites::SiteContext kRepairSite{.name = "weight/test", .channel_axis = 0};

/// Affine with that repair as its own parameter.
std::string affine_rule(const std::string& parameters, const std::string& repair,
                        const std::string& range = "") {
  return R"({"quantizer": {"plugin": "affine", "granularity": "channel", "symmetric": true, )" +
         parameters + R"(, "repair": ")" + repair + "\"}" + range + "}";
}
/// A quantizer's parameters inside the wrapper.
std::string repaired_rule(const std::string& inside, const std::string& repair,
                          const std::string& range = "") {
  return R"({"quantizer": {"plugin": "weight_bias_correct", "quantizer": )" + inside +
         R"(, "repair": ")" + repair + "\"}" + range + "}";
}
/// A step of 0.2.
const std::string kRepairStep = R"(, "range": {"plugin": "constant", "lo": -25.5, "hi": 25.5})";
const std::string kInside = R"({"plugin": "affine", "granularity": "channel", "symmetric": true)";

std::string repair_refusal(const std::string& rule,
                           const sites::SiteContext& context = kRepairSite) {
  try {
    Site site(rule, context);
    return "accepted";
  } catch (const InputError& e) {
    return e.what();
  }
}

/// Mean, and root of the sum of squares about it, of each row of values.
struct RowFigures {
  std::vector<double> mean, norm;
};
RowFigures figures_of(const std::vector<float>& x, std::size_t rows) {
  RowFigures f{std::vector<double>(rows), std::vector<double>(rows)};
  const std::size_t n = x.size() / rows;
  for (std::size_t i = 0; i < x.size(); ++i) f.mean[i / n] += x[i] / static_cast<double>(n);
  for (std::size_t i = 0; i < x.size(); ++i) f.norm[i / n] += std::pow(x[i] - f.mean[i / n], 2);
  for (double& norm : f.norm) norm = std::sqrt(norm);
  return f;
}

TEST(WeightRepair, FourWeightsAreThoseOfTheHandbook) {
  const Tensor w = tensor({.28F, .08F, -.25F, .05F}, {1, 4});
  for (const bool is_wrapped : {false, true}) {
    const auto repaired = [&](const std::string& repair) {
      Site site(is_wrapped ? repaired_rule(kInside + "}", repair, kRepairStep)
                           : affine_rule(R"("bits": 8)", repair, kRepairStep),
                kRepairSite);
      const auto y = site.forward(w);
      EXPECT_EQ(site.encode(w), (std::vector<std::int32_t>{1, 0, -1, 0}));
      return y;
    };
    expect_near(repaired("mean"), {.24F, .04F, -.16F, .04F}, 1e-7);
    expect_near(repaired("mean_norm"), {.307769F, .04F, -.227769F, .04F}, 1e-6);
  }
}

TEST(WeightRepair, WhereAllCodesAreEqualTheNormStays) {
  const Tensor w = tensor({.01F, .02F, .03F, .06F, .06F, .06F}, {2, 3});
  Site site(affine_rule(R"("bits": 8)", "mean_norm", kRepairStep), kRepairSite);
  expect_near(site.forward(w), {.02F, .02F, .02F, .06F, .06F, .06F}, 1e-8);
}

TEST(WeightRepair, TheParameterAndTheWrapperHaveTheSameBits) {
  const Tensor w = gaussian({7, 333}, 21, .1F);
  for (const std::string repair : {"mean", "mean_norm"}) {
    for (const std::string more : {R"("bits": 3)", R"("bits": 4, "scale": "power_of_two")",
                                   R"("bits": 2, "narrow_range": true)", R"("bits": 20)"}) {
      Site own(affine_rule(more, repair), kRepairSite);
      Site around(repaired_rule(kInside + ", " + more + "}", repair), kRepairSite);
      Site bare(affine_rule(more, "none"), kRepairSite);
      EXPECT_EQ(own.forward(w), around.forward(w)) << more;
      (void)bare.forward(w);
      EXPECT_EQ(own.encode(w), bare.encode(w)) << more << ": codes stay";
      EXPECT_EQ(own.node.encoding_json(), around.node.encoding_json()) << more;
      EXPECT_EQ(own.backward(w, w), bare.backward(w, w)) << more;
    }
  }
}

TEST(WeightRepair, EveryChannelHasItsMeanAndOnRequestItsNorm) {
  constexpr std::size_t kRows = 6;
  const Tensor w = gaussian({kRows, 500}, 5, .3F);
  const RowFigures expected = figures_of(values(w), kRows);
  for (const std::string& inside :
       {kInside + R"(, "bits": 3})", std::string(R"({"plugin": "affine", "bits": 3})"),
        std::string(R"({"plugin": "kmeans_codebook", "centroids": 4})"),
        std::string(R"({"plugin": "twn", "granularity": "channel"})"),
        std::string(R"({"plugin": "pow2_codebook", "bits": 3, "granularity": "channel"})"),
        std::string(R"({"plugin": "minifloat", "exponent_bits": 2, "mantissa_bits": 1,
                        "granularity": "channel"})")}) {
    for (const std::string repair : {"mean", "mean_norm"}) {
      Site site(repaired_rule(inside, repair), kRepairSite);
      Site bare(R"({"quantizer": )" + inside + "}", kRepairSite);
      const RowFigures found = figures_of(site.forward(w), kRows),
                       before = figures_of(bare.forward(w), kRows);
      for (std::size_t c = 0; c < kRows; ++c) {
        // float32 values of magnitude up to 2: each is off by 2^-24 of it at most.
        EXPECT_NEAR(found.mean[c], expected.mean[c], 1.2e-7) << inside << repair;
        EXPECT_GT(std::abs(before.mean[c] - expected.mean[c]), 1e-5) << inside;
        const double norm = repair == "mean" ? before.norm[c] : expected.norm[c];
        EXPECT_NEAR(found.norm[c], norm, 1e-5 * norm) << inside << repair;
      }
    }
  }
}

TEST(WeightRepair, RoundsToNearestEvenWhateverTheRuleSays) {
  const Tensor w = gaussian({4, 100}, 8);
  const std::string up = R"(, "rounding": {"plugin": "nearest_up"})";
  Site plain(affine_rule(R"("bits": 3)", "mean"), kRepairSite);
  Site other(affine_rule(R"("bits": 3)", "mean", up), kRepairSite);
  EXPECT_EQ(plain.forward(w), other.forward(w));
  Site around(repaired_rule(kInside + R"(, "bits": 3})", "mean", up), kRepairSite);
  EXPECT_EQ(around.forward(w), plain.forward(w));
  const auto probe =
      create("quantizer", "affine", R"({"repair": "mean", "granularity": "channel"})");
  EXPECT_EQ(probe.ops<qloom_quantizer>().caps & QLOOM_QUANTIZER_USES_ROUNDING, 0U);
}

TEST(WeightRepair, ValuesWithoutACodebookHaveNoEncodingButTheirRepair) {
  const Tensor w = gaussian({3, 64}, 31);
  Site site(repaired_rule(R"({"plugin": "minifloat", "exponent_bits": 3, "mantissa_bits": 2,
                              "granularity": "channel"})",
                          "mean"),
            kRepairSite);
  (void)site.forward(w);
  EXPECT_EQ(site.node.encoding().kind, static_cast<std::uint32_t>(QLOOM_ENCODING_NONE));
  EXPECT_THROW((void)site.encode(w), RunError);
}

TEST(WeightRepair, OneScaleForTheTensorLeavesEachChannelAMeanOfItsOwn) {
  const Tensor w = gaussian({5, 6, 50}, 13, .2F);
  const std::string rule = R"({"quantizer": {"plugin": "affine", "bits": 3, "repair": "mean"}})";
  Site site(rule, kRepairSite);
  Site bare(R"({"quantizer": {"plugin": "affine", "bits": 3}})", kRepairSite);
  const std::vector<float> y = site.forward(w), q = bare.forward(w);
  EXPECT_EQ(site.encode(w), bare.encode(w));
  const RowFigures expected = figures_of(values(w), 5), found = figures_of(y, 5);
  const qloom_encoding e = site.node.encoding();
  ASSERT_EQ(e.groups, 5U);
  for (std::size_t c = 0; c < 5; ++c) {
    EXPECT_NEAR(found.mean[c], expected.mean[c], 1.2e-7);
    EXPECT_EQ(e.grid.scale[c], bare.node.encoding().grid.scale[0]);
    EXPECT_NEAR(e.grid.offset[c], y[300 * c] - q[300 * c], 1e-7);
  }
  EXPECT_EQ(site.node.encoding_json()["granularity"], "channel");
  EXPECT_EQ(bare.node.encoding_json()["granularity"], "tensor");
  EXPECT_FALSE(site.node.is_its_grid());
}

TEST(WeightRepair, IsForWeights) {
  const sites::SiteKey activation{*sites::find("activation"), "conv1"};
  EXPECT_NE(repair_refusal(affine_rule(R"("bits": 3)", "mean"),
                           {.name = activation.text(), .key = activation, .channel_axis = 0})
                .find("/repair: is for weights, not for \"activation\""),
            std::string::npos);
  EXPECT_EQ(repair_refusal(repaired_rule(
                R"({"plugin": "alpha_blend", "quantizer":
                    {"plugin": "twn", "granularity": {"group": 8}}})",
                "mean")),
            "accepted");
}

TEST(WeightRepair, Conforms) {
  for (const std::string repair : {"mean", "mean_norm"}) {
    for (const std::string more :
         {R"("bits": 3)", R"("bits": 1)", R"("bits": 5, "overflow": "wrap")", R"("bits": 24)"}) {
      expect_conforms(affine_rule(more, repair), gaussian({9, 700}, 2), kRepairSite);
    }
    for (const std::string& inside :
         {std::string(R"({"plugin": "twn", "granularity": "channel"})"),
          std::string(R"({"plugin": "twn"})"), std::string(R"({"plugin": "pow2_codebook"})"),
          std::string(R"({"plugin": "pow2_codebook", "granularity": {"group": 16}})"),
          std::string(R"({"plugin": "lsq", "bits": 3, "granularity": "channel"})")}) {
      expect_conforms(repaired_rule(inside, repair), gaussian({9, 700}, 3), kRepairSite);
    }
  }
}

}  // namespace
}  // namespace qloom::test
