// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Every quantizer at the ends of float32: finite values give finite ones, or a refusal that says
// what was too large.
#include <algorithm>
#include <cmath>
#include <limits>

#include "host/tensor/error.hpp"
#include "tests/support/method.hpp"

namespace qloom::test {
namespace {

constexpr float kTop = std::numeric_limits<float>::max();
constexpr float kLeast = std::numeric_limits<float>::denorm_min();

/// Quantizers that need no range.
constexpr const char* kPlain[] = {R"("plugin": "fixed_point", "bits": 8, "fraction_bits": -64)",
                                  R"("plugin": "block_float", "bits": 8)",
                                  R"("plugin": "block_float", "bits": 2, "exponent_rule": "ceil")",
                                  R"("plugin": "block_float", "bits": 8, "exponent_rule": "ceil")",
                                  R"("plugin": "block_float", "bits": 4, "narrow_range": true)",
                                  R"("plugin": "lsq", "bits": 2)",
                                  R"("plugin": "lsq", "bits": 8)",
                                  R"("plugin": "lsq", "bits": 2, "initial": "minmax")",
                                  R"("plugin": "lsq", "bits": 3, "initial": "mse")",
                                  R"("plugin": "pact", "bits": 4, "initial": "first_tensor")",
                                  R"("plugin": "qil", "part": "weight", "bits": 3)",
                                  R"("plugin": "qil", "part": "activation", "bits": 3)",
                                  R"("plugin": "dorefa", "part": "weight", "bits": 1)",
                                  R"("plugin": "dorefa", "part": "weight", "bits": 4)",
                                  R"("plugin": "dorefa", "part": "activation", "bits": 4)",
                                  R"("plugin": "dorefa", "part": "gradient", "bits": 1)",
                                  R"("plugin": "dorefa", "part": "gradient", "bits": 8)",
                                  R"("plugin": "ttq")",
                                  R"("plugin": "twn")",
                                  R"("plugin": "twn", "threshold_rule": "exact")",
                                  R"("plugin": "abc_weight", "bases": 3)",
                                  R"("plugin": "abc_act", "bases": 3)",
                                  R"("plugin": "binary_code", "bits": 2)",
                                  R"("plugin": "binary_connect")",
                                  R"("plugin": "bnn_act")",
                                  R"("plugin": "bwn_weight", "granularity": "tensor")",
                                  R"("plugin": "codebook_points")",
                                  R"("plugin": "fake_quant_learnable", "bits": 4)",
                                  R"("plugin": "grad_stoch_clip")",
                                  R"("plugin": "hwgq")",
                                  R"("plugin": "kmeans_codebook", "centroids": 2)",
                                  R"("plugin": "lsq_plus", "part": "activation")",
                                  R"("plugin": "pow2_codebook")",
                                  R"("plugin": "quant_relu")",
                                  R"("plugin": "s2fp8")",
                                  R"("plugin": "sign_act")",
                                  R"("plugin": "sign_clip")",
                                  R"("plugin": "ternary_gradient")",
                                  R"("plugin": "tga_ternary")",
                                  R"("plugin": "wrpn", "part": "weight")",
                                  R"("plugin": "xnor_act")"};

/// Quantizers as JSON, with the range that they need.
std::vector<std::string> quantizers() {
  std::vector<std::string> all;
  const auto add = [&](const std::string& quantizer, const std::string& range = "min_max") {
    all.push_back(R"("quantizer": {)" + quantizer + "}" +
                  (range.empty() ? "" : R"(, "range": {"plugin": ")" + range + "\"}"));
  };
  for (const char* range :
       {"min_max", "moving_average_min_max", "percentile", "histogram_mse", "aciq"}) {
    for (const char* grid :
         {R"("bits": 8)", R"("bits": 3)", R"("bits": 1)", R"("exact_zero": false)",
          R"("symmetric": true)", R"("symmetric": true, "bits": 2)",
          R"("symmetric": true, "bits": 1)", R"("symmetric": true, "narrow_range": true)",
          R"("symmetric": true, "signed": false)", R"("symmetric": true, "signed": "auto")",
          R"("scale": "power_of_two")",
          R"("symmetric": true, "scale": "power_of_two", "bits": 16)"}) {
      add(std::string(R"("plugin": "affine", )") + grid, range);
    }
    add(R"("plugin": "fixed_point", "bits": 8, "fraction_bits": "auto")", range);
    add(R"("plugin": "fixed_point", "bits": 4, "signed": false, "fraction_bits": "auto")", range);
  }
  for (const char* plain : kPlain) {
    add(plain, "");
  }
  return all;
}

std::vector<Tensor> inputs() {
  std::vector<Tensor> all;
  for (const std::vector<float>& x : {std::vector<float>{kTop, -kTop, 0, 1},
                                      {kTop, kTop / 3, 0, 1},
                                      {-kTop, -1, 0, -kTop / 3},
                                      {kTop / 2, -kTop / 2, 1, 2},
                                      {kTop / 3, -kTop / 5, kTop / 7, 0},
                                      {kTop, kTop, kTop, kTop},
                                      {-kTop, -kTop, -kTop, -kTop},
                                      {kLeast, -kLeast, 3 * kLeast, 0},
                                      {0x1p-126F, -0x1p-126F, 0x1p-140F, 0},
                                      {kTop, kLeast, -kLeast, 0},
                                      {0, 0, 0, 0}}) {
    all.push_back(tensor(x, {1, 4}));
  }
  return all;
}

bool are_finite(const std::vector<float>& x) {
  return std::all_of(x.begin(), x.end(), [](float v) { return std::isfinite(v); });
}

void expect_finite(const std::string& rule, const Tensor& x) {
  SCOPED_TRACE(rule + " of " + testing::PrintToString(values(x)));
  Site site(rule);
  std::vector<float> y;
  try {
    y = site.forward(x);
  } catch (const RunError& e) {
    const std::string text = e.what();
    EXPECT_TRUE(text.find("e+38") != std::string::npos || text.find("e+39") != std::string::npos)
        << "the refusal does not name the value: " << text;
    return;
  }
  EXPECT_TRUE(are_finite(y)) << testing::PrintToString(y);
  try {
    EXPECT_TRUE(are_finite(site.backward(x, tensor({1, -1, 0.5F, 2}, {1, 4}))));
  } catch (const RunError& e) {
    EXPECT_NE(std::string(e.what()).find("the gradient of "), std::string::npos) << e.what();
    return;
  }
  for (const auto& learned : site.node.learned()) {
    for (const float g : learned.gradient)
      EXPECT_TRUE(std::isfinite(g)) << learned.name << " " << g;
  }
}

TEST(FiniteValues, AGradientOfALearnedValueBeyondFloat32IsRefusedByName) {
  Site site(R"({"quantizer": {"plugin": "pact", "bits": 4, "alpha": 1}})");
  const Tensor x = tensor({2, 3, 0.5F});
  site.forward(x);
  try {
    site.backward(x, tensor({kTop, kTop, 1}));
    ADD_FAILURE() << "expected a refusal";
  } catch (const RunError& e) {
    EXPECT_NE(std::string(e.what()).find("the gradient of alpha, value 0 of 1, is inf"),
              std::string::npos)
        << e.what();
  }
}

TEST(FiniteValues, GiveFiniteValuesOrARefusalWithTheValue) {
  for (const std::string& quantizer : quantizers()) {
    for (const Tensor& x : inputs()) expect_finite("{" + quantizer + "}", x);
  }
}

TEST(FiniteValues, UnderEveryRounding) {
  for (const char* rounding : {"nearest_away", "nearest_up", "toward_zero", "toward_negative",
                               "toward_positive", "stochastic", "stochastic_equal"}) {
    for (const char* quantizer :
         {R"("quantizer": {"plugin": "affine"}, "range": {"plugin": "min_max"})",
          R"("quantizer": {"plugin": "affine", "symmetric": true}, "range": {"plugin": "aciq"})",
          R"("quantizer": {"plugin": "fixed_point", "bits": 8, "fraction_bits": 0})",
          R"("quantizer": {"plugin": "fixed_point", "bits": 8, "fraction_bits": "auto"},
             "range": {"plugin": "min_max"})",
          R"("quantizer": {"plugin": "block_float", "bits": 4, "exponent_rule": "ceil"})",
          R"("quantizer": {"plugin": "lsq", "bits": 3})",
          R"("quantizer": {"plugin": "pact", "bits": 3})"}) {
      for (const Tensor& x : inputs()) {
        expect_finite(
            "{" + std::string(quantizer) + R"(, "rounding": {"plugin": ")" + rounding + "\"}}", x);
      }
    }
  }
}

/// A tensor of subnormals, 3e-40 the largest: which methods send it to 0. docs/numerics.md lists
/// them.
TEST(Subnormals, BecomeZeroWhereTheStepIsANormalFloat) {
  const std::vector<float> x{3e-40F, -2e-40F, 1e-40F, 0};
  const auto is_zero = [&](const std::string& quantizer) {
    Site site("{" + quantizer + "}");
    const std::vector<float> y = site.forward(tensor(x, {1, 4}));
    return std::all_of(y.begin(), y.end(), [](float v) { return v == 0; });
  };
  for (const char* quantizer :
       {R"("quantizer": {"plugin": "affine"}, "range": {"plugin": "min_max"})",
        R"("quantizer": {"plugin": "affine", "symmetric": true}, "range": {"plugin": "min_max"})",
        R"("quantizer": {"plugin": "fixed_point", "bits": 8}, "range": {"plugin": "min_max"})",
        R"("quantizer": {"plugin": "block_float"})", R"("quantizer": {"plugin": "lsq"})",
        R"("quantizer": {"plugin": "pact", "initial": "first_tensor"})",
        R"("quantizer": {"plugin": "dorefa", "part": "gradient", "bits": 8})",
        R"("quantizer": {"plugin": "qil", "part": "weight"})"}) {
    EXPECT_TRUE(is_zero(quantizer)) << quantizer;
  }
  for (const char* quantizer :
       {R"("quantizer": {"plugin": "twn"})", R"("quantizer": {"plugin": "ttq", "initial": "mean"})",
        R"("quantizer": {"plugin": "dorefa", "part": "weight", "bits": 1})"}) {
    EXPECT_FALSE(is_zero(quantizer)) << quantizer;
  }
}

TEST(Subnormals, AreZerosForDorefasWeights) {
  Site site(R"({"quantizer": {"plugin": "dorefa", "part": "weight", "bits": 2}})");
  const std::vector<float> third(2, 1 / 3.0F);  // +1 / n, as a tensor of zeros has
  EXPECT_EQ(site.forward(tensor({3e-40F, -1e-40F})), third);
  EXPECT_EQ(site.backward(tensor({3e-40F, -1e-40F}), tensor({1, 1})), (std::vector<float>{0, 0}));
}

TEST(Subnormals, AreKeptByRanges) {
  for (const char* range : {"min_max", "moving_average_min_max", "percentile", "histogram_mse"}) {
    const qloom_range_context context{sizeof context, 8, 1, 0, 256, 0, 0};
    const auto r = range_of(range, "{}", tensor({1e-40F, -2e-40F}), context)[0];
    EXPECT_LT(r.lo, 0) << range;
    EXPECT_GT(r.hi, 0) << range;
  }
}

/// What of a tensor of the largest value comes back: within half a step where a code is left out.
TEST(FiniteValues, TheLargestComeBackWithinAStep) {
  for (const char* quantizer :
       {R"("quantizer": {"plugin": "affine", "symmetric": true}, "range": {"plugin": "min_max"})",
        R"("quantizer": {"plugin": "affine"}, "range": {"plugin": "min_max"})",
        R"("quantizer": {"plugin": "affine", "exact_zero": false}, "range": {"plugin": "min_max"})",
        R"("quantizer": {"plugin": "lsq", "bits": 8, "initial": "minmax"})"}) {
    Site site("{" + std::string(quantizer) + "}");
    const std::vector<float> x{kTop, 0, kTop / 2, kTop / 4};
    const std::vector<float> y = site.forward(tensor(x));
    for (std::size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(y[i], x[i], kTop / 126) << quantizer;
  }
}

}  // namespace
}  // namespace qloom::test
