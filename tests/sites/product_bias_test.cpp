// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A bias at the scale of its layer's products: an integer that is added to integer sums.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "host/tensor/error.hpp"
#include "tests/support/bench.hpp"
#include "tests/support/sums.hpp"

namespace qloom::test {
namespace {

constexpr const char* kLayers[] = {"conv2", "left", "right", "fc"};  // that have a bias

Json product_rules(const std::string& more = "") {
  return Json::parse(R"([
    {"site": "weight", "quantizer": {"plugin": "affine", "bits": 8, "granularity": "channel"}},
    {"site": ["input", "activation"],
     "quantizer": {"plugin": "affine", "symmetric": false, "bits": 8}},
    {"site": "bias", "quantizer": {"plugin": "product"}})" +
                     more + "]");
}

/// Biases of all sizes.
struct BiasBench : Bench {
  explicit BiasBench(const Json& rules) : Bench(rules) {
    std::uint64_t seed = 31;
    for (const char* layer : kLayers) {
      Tensor& bias = parameter(std::string(layer) + "/bias").value;
      const Tensor drawn = gaussian(bias.shape(), seed++);
      std::copy(drawn.begin(), drawn.end(), bias.begin());
    }
  }
};

std::vector<std::int64_t> whole(const std::vector<float>& x, const contraction::Operand& operand) {
  std::vector<std::int64_t> codes;
  const std::size_t row = x.size() / operand.scale_count;
  for (std::size_t i = 0; i < x.size(); ++i) {
    codes.push_back(std::llround(double{x[i]} / double{operand.scale[i / row]}));
  }
  return codes;
}

/// float((register's sum + round(bias / float32(sx * sw))) * (sx * sw)) of each output.
std::vector<float> expected_of(Bench& bench, const std::string& layer, int bits) {
  const network::Node& node = bench.node(layer);
  const contraction::Operand &x = node.input_operand, &w = node.weight_operand;
  const ProductRows rows =
      product_rows(Role::kForward, bench.shape_of(layer), whole(bench.x(layer), x),
                   whole(bench.w(layer), w), [](std::int64_t a, std::int64_t b) { return a * b; });
  IntegerRegister reg{bits, true};
  std::vector<float> y(rows.results());
  const Tensor& bias = node.bias->value;
  for (std::size_t i = 0; i < y.size(); ++i) {
    const std::size_t c = i % bias.size();
    const double scale = double{*x.scale} * double{w.scale[w.scale_count == 1 ? 0 : c]};
    const double code = std::nearbyint(double{bias[c]} / double{static_cast<float>(scale)});
    y[i] = static_cast<float>((reg.sum(rows.row(i), rows.k) + code) * scale);
  }
  return y;
}

TEST(ProductBias, IsAddedToTheIntegerSum) {
  BiasBench bench(product_rules());
  bench.gradients();
  for (const char* layer : kLayers) {
    EXPECT_EQ(bench.y(layer), expected_of(bench, layer, 48)) << layer;
    EXPECT_FALSE(bench.node(layer).bias_integers.empty());
  }
  (void)bench.evaluate();
  for (const char* layer : kLayers) EXPECT_EQ(bench.y(layer), expected_of(bench, layer, 48));
}

TEST(ProductBias, IsAddedBehindAModelledRegister) {
  BiasBench bench(product_rules(
      R"(, {"site": "accumulator.forward",
            "accumulator": {"plugin": "integer", "bits": 13, "overflow": "wrap"}})"));
  bench.gradients();
  for (const char* layer : kLayers) {
    EXPECT_EQ(bench.y(layer), expected_of(bench, layer, 13)) << layer;
  }
  EXPECT_GT(bench.network.accumulators.overflows().at("accumulator.forward/conv2"), 0U);
}

TEST(ProductBias, PassesItsGradientOn) {
  BiasBench bench(product_rules());
  bench.gradients();
  const std::vector<float> gradient = values(bench.parameter("fc/bias").gradient);
  std::vector<float> sums(gradient.size());
  const std::vector<float> dy = bench.dy("fc");
  for (std::size_t i = 0; i < dy.size(); ++i) sums[i % sums.size()] += dy[i];
  expect_near(gradient, sums, 1e-6);
}

TEST(ProductBias, NeedsCodesOnBothSides) {
  const auto refusal = [](const Json& rules) -> std::string {
    try {
      Bench bench(rules);
    } catch (const InputError& e) {
      return e.what();
    }
    return "";
  };
  const Json whole_rules = product_rules();
  const std::string weights = refusal(Json::array({whole_rules[1], whole_rules[2]}));
  EXPECT_NE(weights.find("no rule quantizes its weights"), std::string::npos) << weights;
  EXPECT_NE(weights.find(R"({"site": "weight", "layers": ["conv2"])"), std::string::npos);
  Json inputs = whole_rules;
  inputs[1]["site"] = "input";
  EXPECT_NE(refusal(inputs).find(R"({"site": "activation", "layers": ["conv2"])"),
            std::string::npos)
      << refusal(inputs);
  Json late = whole_rules;
  late[0]["when"] = "evaluation";
  EXPECT_NE(refusal(late).find("not quantized in all its passes"), std::string::npos);
  EXPECT_EQ(refusal(whole_rules), "");
}

TEST(ProductBias, RefusesOperandsWhoseCodesHaveNoCommonScale) {
  Json rules = product_rules();
  rules[0]["quantizer"] = {{"plugin", "ttq"}};
  BiasBench bench(rules);
  try {
    bench.gradients();
    ADD_FAILURE() << "a codebook has no scale";
  } catch (const RunError& e) {
    const std::string text = e.what();
    EXPECT_NE(text.find("the weights have no such codes"), std::string::npos) << text;
  }
}

TEST(ProductBias, IsForBiasesAlone) {
  EXPECT_THROW(Bench(Json::parse(R"([{"site": "weight", "quantizer": {"plugin": "product"}}])")),
               InputError);
}

}  // namespace
}  // namespace qloom::test
