// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Weights of two magnitudes: two exact sums, which a requantizer joins.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "host/tensor/error.hpp"
#include "tests/support/bench.hpp"
#include "tests/support/sums.hpp"

namespace qloom::test {
namespace {

/// Weights of two magnitudes everywhere, codes behind each sum but fc's.
Json plane_rules(const std::string& quantizer, const std::string& granularity = "tensor") {
  Json rules = Json::parse(R"([
    {"site": "weight", "quantizer": {"plugin": ")" +
                           quantizer + R"("}},
    {"site": "input", "quantizer": {"plugin": "affine"},
     "range": {"plugin": "moving_average_min_max"}},
    {"site": "output", "layers": ["conv1", "conv2", "left", "right"],
     "quantizer": {"plugin": "affine"}, "range": {"plugin": "moving_average_min_max"},
     "requantizer": {"plugin": "multiplier"}}])");
  rules[0]["quantizer"]["granularity"] = granularity;
  return rules;
}

/// Products of the input's codes with the weights of one sign, added up.
std::vector<double> sums_of_sign(Bench& bench, const std::string& layer, bool is_above) {
  const float scale = *bench.node(layer).input_operand.scale;
  std::vector<std::int64_t> x, w;
  for (const float value : bench.x(layer)) x.push_back(std::llround(value / scale));
  for (const float value : bench.w(layer)) w.push_back(is_above ? value > 0 : value < 0);
  const ProductRows rows = product_rows(Role::kForward, bench.shape_of(layer), x, w,
                                        [](std::int64_t a, std::int64_t b) { return a * b; });
  IntegerRegister wide{48, true};
  std::vector<double> sums;
  for (std::size_t i = 0; i < rows.results(); ++i) {
    sums.push_back(static_cast<double>(wide.sum(rows.row(i), rows.k)));
  }
  return sums;
}

void expect_joined(Bench& bench, const std::string& layer) {
  const network::Node& node = bench.node(layer);
  const network::Node& output = bench.node("output/" + layer);
  ASSERT_TRUE(output.requantized->acts);
  ASSERT_TRUE(node.planes != nullptr && node.planes->are_there);
  const std::vector<double> above = sums_of_sign(bench, layer, true),
                            below = sums_of_sign(bench, layer, false);
  const std::vector<float> w = bench.w(layer);
  const auto channels = static_cast<std::size_t>(node.out_shape.channels);
  const std::size_t k = w.size() / channels;
  const qloom_encoding e = output.site->encoding();
  std::size_t exact = 0;
  for (std::size_t i = 0; i < above.size(); ++i) {
    const std::size_t c = i % channels;
    const auto [lowest, highest] =
        std::minmax_element(w.begin() + static_cast<std::ptrdiff_t>(c * k),
                            w.begin() + static_cast<std::ptrdiff_t>((c + 1) * k));
    ASSERT_EQ(static_cast<double>(node.planes->sums[0][i]), above[i]);
    ASSERT_EQ(static_cast<double>(node.planes->sums[1][i]), below[i]);
    const double bias = node.bias == nullptr ? 0 : double{node.bias->value[c]};
    const double real = (above[i] * std::max(0.0F, *highest) + below[i] * std::min(0.0F, *lowest)) *
                            double{*node.input_operand.scale} +
                        bias;
    const double code = std::clamp<double>(real / double{e.grid.scale[0]} + e.grid.zero_point[0],
                                           e.grid.code_min[0], e.grid.code_max[0]);
    const double made = double{(*output.value)[i]} / double{e.grid.scale[0]} + e.grid.zero_point[0];
    ASSERT_NEAR(made, code, 0.51) << layer << " " << i;
    exact += std::abs(made - std::nearbyint(code)) < 0.01 ? 1 : 0;
  }
  EXPECT_GT(exact, above.size() * 99 / 100);
}

TEST(WeightPlanes, AreTwoExactSumsThatARequantizerJoins) {
  for (const char* granularity : {"tensor", "channel"}) {
    Bench bench(plane_rules("ttq", granularity));
    for (std::uint64_t step = 0; step < 3; ++step) bench.train(step);
    bench.parameter("left/weight").forward->learned()[0].value[0] *= 1.5F;
    bench.parameter("left/weight").forward->learned()[1].value[0] *= 0.75F;
    bench.evaluate();
    expect_joined(bench, "left");
    expect_joined(bench, "right");
  }
}

TEST(WeightPlanes, AreNoWayForOtherCodebooks) {
  Bench bench(plane_rules("kmeans_codebook"));
  try {
    bench.train();
    ADD_FAILURE() << "eight values have no two sums";
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what())
                  .find("has no integer sums in this pass: the weights have no such codes"),
              std::string::npos)
        << error.what();
  }
}

TEST(WeightPlanes, AreAskedOfTheCodebookAlone) {
  const float table[] = {-2, 0, 3, -1, 0, 1};
  qloom_encoding e{};
  e.struct_size = sizeof e;
  e.kind = QLOOM_ENCODING_CODEBOOK;
  e.codebook = table;
  e.codebook_size = 3;
  e.groups = 2;
  EXPECT_TRUE(network::is_of_planes(e, 2));
  EXPECT_FALSE(network::is_of_planes(e, 4)) << "two groups that are no channels";
  e.groups = 1;
  EXPECT_TRUE(network::is_of_planes(e, 4));
  e.codebook_size = 4;
  EXPECT_FALSE(network::is_of_planes(e, 4)) << "-2 and -1";
  e.codebook_size = 3;
  e.kind = QLOOM_ENCODING_AFFINE;
  EXPECT_FALSE(network::is_of_planes(e, 4));
}

}  // namespace
}  // namespace qloom::test
