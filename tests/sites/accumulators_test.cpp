// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Accumulators in the three contractions of a network, and contractions of integer codes, against
// scalar loops over the operands that the layers saw.
#include <cmath>
#include <string>
#include <vector>

#include "host/tensor/error.hpp"
#include "tests/support/bench.hpp"
#include "tests/support/sums.hpp"

namespace qloom::test {
namespace {

using contraction::Operand;

/// One contraction of a layer after a step: its operands, result and name.
struct Captured {
  Role role;
  std::string site;
  std::vector<float> left, right, result, bias;
  Operand left_operand, right_operand;
};

/// The three contractions of a layer. The error operand is the one of site "error", or dL/dy.
std::vector<Captured> capture(Bench& bench, const std::string& layer) {
  network::Node& node = bench.node(layer);
  const Operand dy = node.dx_error;
  const std::vector<float> x = bench.x(layer), w = bench.w(layer), e = bench.error(layer);
  std::vector<float> bias;
  if (node.bias != nullptr) bias = values(node.bias->value);
  std::vector<Captured> all{{Role::kForward, "accumulator.forward", x, w, bench.y(layer), bias,
                             node.input_operand, node.weight_operand},
                            {Role::kWeightGradient,
                             "accumulator.dw",
                             x,
                             e,
                             values(bench.parameter(layer + "/weight").gradient),
                             {},
                             node.input_operand,
                             dy}};
  if (layer == "conv2" || layer == "fc") {  // the only readers of their inputs
    network::Node* input = &bench.input_of(layer);
    if (input->type == network::Node::Type::kQuantize) {
      all.push_back({Role::kInputGradient,
                     "accumulator.dx",
                     e,
                     w,
                     values(input->gradient.value()),
                     {},
                     dy,
                     node.weight_operand});
    }
  }
  return all;
}

std::vector<std::int64_t> codes(const std::vector<float>& x, const Operand& operand) {
  std::vector<std::int64_t> out;
  const std::size_t row = x.size() / operand.scale_count;
  for (std::size_t i = 0; i < x.size(); ++i) {
    out.push_back(std::llround(double{x[i]} / double{operand.scale[i / row]}));
  }
  return out;
}

/// Affine codes for everything that a contraction reads; activations with a zero point.
Json coded(int bits) {
  return Json::parse(R"([
    {"site": ["weight", "error"], "quantizer": {"plugin": "affine", "bits": )" +
                     std::to_string(bits) + R"(}},
    {"site": ["input", "activation"],
     "quantizer": {"plugin": "affine", "symmetric": false, "bits": )" +
                     std::to_string(bits) + "}}]");
}

Json accumulator_rule(const Json& accumulator, const Json& site = "accumulator") {
  return {{"site", site}, {"accumulator", accumulator}};
}

ProductRows integer_products(const Captured& c, const ContractionShape& shape) {
  return product_rows(c.role, shape, codes(c.left, c.left_operand), codes(c.right, c.right_operand),
                      [](std::int64_t a, std::int64_t b) { return a * b; });
}

double factor_of(const Captured& c) {
  return double{*c.left_operand.scale} * double{*c.right_operand.scale};
}

TEST(Accumulators, IntegerOnesEqualAScalarLoopOverTheOperandsOfEachContraction) {
  for (const std::string overflow : {"saturate", "wrap"}) {
    for (const int bits : {12, 16, 32}) {
      Json rules = coded(8);
      rules.push_back(
          accumulator_rule({{"plugin", "integer"}, {"bits", bits}, {"overflow", overflow}}));
      Bench bench(rules);
      bench.gradients();
      for (const std::string layer : {"conv1", "conv2", "left", "right", "fc"}) {
        for (const Captured& c : capture(bench, layer)) {
          IntegerRegister reg{bits, overflow == "wrap"};
          const std::vector<float> expected =
              summed(integer_products(c, bench.shape_of(layer)), reg, factor_of(c), c.bias);
          EXPECT_EQ(c.result, expected) << c.site << "/" << layer << " " << bits << overflow;
          EXPECT_EQ(bench.network.accumulators.overflows().at(c.site + "/" + layer), reg.overflows)
              << c.site << "/" << layer << " " << bits << overflow;
          if (bits == 32) {
            EXPECT_EQ(reg.overflows, 0U);
          }
          if (bits == 12 && layer == "conv2") {
            EXPECT_GT(reg.overflows, 0U) << c.site << " is narrow enough to be seen";
          }
        }
      }
    }
  }
}

TEST(Accumulators, FloatOnesEqualAScalarLoopOverTheOperandsOfEachContraction) {
  std::uint64_t overflows = 0;
  for (const auto& [exponent, mantissa] : {std::pair{6, 4}, std::pair{2, 5}}) {
    for (const std::size_t chunk : {1UL, 5UL, 1000UL}) {
      Bench bench(Json::array({accumulator_rule({{"plugin", "float_chunked"},
                                                 {"exponent_bits", exponent},
                                                 {"mantissa_bits", mantissa},
                                                 {"chunk", chunk}})}));
      bench.gradients();
      for (const std::string layer : {"conv1", "conv2", "left", "right", "fc"}) {
        for (const Captured& c : capture(bench, layer)) {
          const auto rows = product_rows(c.role, bench.shape_of(layer), c.left, c.right,
                                         [](float a, float b) { return a * b; });
          FloatRegister reg{exponent, mantissa, chunk};
          EXPECT_EQ(c.result, summed(rows, reg, 1, c.bias))
              << c.site << "/" << layer << " chunk " << chunk;
          EXPECT_EQ(bench.network.accumulators.overflows().at(c.site + "/" + layer), reg.overflows);
          overflows += reg.overflows;
        }
      }
    }
  }
  EXPECT_GT(overflows, 0U) << "two exponent bits overflow somewhere";
}

TEST(Accumulators, TheInputGradientOfEachReaderIsAddedUpInTheRegister) {
  Json rules = coded(8);
  rules.push_back(accumulator_rule({{"plugin", "integer"}, {"bits", 14}}, "accumulator.dx"));
  Bench bench(rules);
  bench.gradients();
  for (const std::string layer : {"conv2", "fc"}) {
    const auto all = capture(bench, layer);
    ASSERT_EQ(all.size(), 3U);
    IntegerRegister reg{14, false};
    const auto rows = integer_products(all[2], bench.shape_of(layer));
    EXPECT_EQ(all[2].result, summed(rows, reg, factor_of(all[2]))) << layer;
  }
}

TEST(Accumulators, ARuleForOneContractionLeavesTheOthersExact) {
  for (const std::string site : {"accumulator.forward", "accumulator.dx", "accumulator.dw"}) {
    Json rules = coded(8);
    rules.push_back(accumulator_rule({{"plugin", "integer"}, {"bits", 12}}, site));
    rules.back()["layers"] = Json::array({"conv2"});
    Bench bench(rules);
    bench.gradients();
    for (const Captured& c : capture(bench, "conv2")) {
      IntegerRegister narrow{12, false}, wide{48, false};
      const auto rows = integer_products(c, bench.shape_of("conv2"));
      const auto expected = summed(rows, c.site == site ? narrow : wide, factor_of(c), c.bias);
      EXPECT_EQ(c.result, expected) << c.site << " with " << site;
    }
    EXPECT_EQ(bench.network.accumulators.overflows().size(), 1U) << site;
    EXPECT_GT(bench.network.accumulators.overflows().at(site + "/conv2"), 0U);
  }
}

TEST(Accumulators, TheExactOneIsTheSumOfIntegers) {
  Json rules = coded(8);
  Bench plain(rules);
  rules.push_back(accumulator_rule({{"plugin", "exact"}}));
  Bench bench(rules);
  bench.gradients();
  plain.gradients();
  EXPECT_EQ(bench.parameter_gradients(), plain.parameter_gradients());
}

template <class Error>
std::string refusal(const Json& rules) {
  try {
    Bench(rules).gradients();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

void expect_in(const std::string& part, const std::string& message) {
  EXPECT_NE(message.find(part), std::string::npos) << message;
}

TEST(Accumulators, AnIntegerOneWithoutQuantizedOperandsIsRefusedBeforeAnyWork) {
  const Json integer = {{"plugin", "integer"}};
  const Json bare = Json::array({accumulator_rule(integer, "accumulator.forward")});
  const std::string message = refusal<InputError>(bare);
  expect_in("/rules/0/accumulator", message);
  expect_in("accumulator.forward", message);
  expect_in("conv1", message);
  Json no_error = coded(8);
  no_error[0]["site"] = "weight";
  for (const char* site : {"accumulator.dw", "accumulator.dx"}) {
    Json rules = no_error;
    rules.push_back(accumulator_rule(integer, site));
    expect_in(site, refusal<InputError>(rules));
  }
  EXPECT_EQ(refusal<std::exception>(coded(8)), "");
}

TEST(Accumulators, AnIntegerOneOverOperandsWithoutCodesSaysWhichContractionAndOperand) {
  const Json integer = {{"plugin", "integer"}};
  const Json minifloat = {{"plugin", "minifloat"}, {"exponent_bits", 4}, {"mantissa_bits", 3}};
  Json rules = coded(8);
  rules[1]["quantizer"] = minifloat;
  rules.push_back(accumulator_rule(integer));
  EXPECT_EQ(refusal<RunError>(rules),
            "forward of \"conv1\": an integer accumulator needs integer codes of at most 2^22: the "
            "input has real values; give it a quantizer with an affine encoding");
  rules = coded(8);
  rules.push_back({{"site", "error"}, {"quantizer", minifloat}});
  rules.push_back(accumulator_rule(integer, "accumulator.dw"));
  expect_in("weight gradient of \"fc\"", refusal<RunError>(rules));
  expect_in("the error has real values", refusal<RunError>(rules));
  rules.back()["site"] = "accumulator.dx";
  expect_in("input gradient of \"fc\"", refusal<RunError>(rules));
  rules = coded(8);
  rules[1]["quantizer"]["granularity"] = "channel";  // many scales meet in one sum
  rules.push_back(accumulator_rule(integer, "accumulator.forward"));
  expect_in("conv1", refusal<std::exception>(rules));
}

/// Adds up in float32, as a kernel without care would.
struct FloatSum {
  double sum(const double* products, std::size_t k) const {
    float s = 0;
    for (std::size_t i = 0; i < k; ++i) s += static_cast<float>(products[i]);
    return s;
  }
};

TEST(IntegerCodes, SixteenBitOperandsInANetworkEqualAnInt64Loop) {
  for (const bool per_channel : {false, true}) {
    Json rules = coded(16);
    if (per_channel) {
      rules.push_back(
          {{"site", "weight"},
           {"quantizer", {{"plugin", "affine"}, {"bits", 16}, {"granularity", "channel"}}}});
    }
    Bench bench(rules);
    bench.gradients();
    for (const std::string layer : {"conv1", "conv2", "left", "right", "fc"}) {
      for (const Captured& c : capture(bench, layer)) {
        const bool has_scales = c.right_operand.scale_count > 1;
        if (has_scales && c.role != Role::kForward) continue;  // its scale varies along k
        ASSERT_GE(c.left_operand.scale_count, 1U) << c.site << layer;
        ASSERT_GE(c.right_operand.scale_count, 1U) << c.site << layer;
        const auto rows = integer_products(c, bench.shape_of(layer));
        IntegerRegister wide{62, false};
        FloatSum careless;
        std::vector<float> expected = summed(rows, wide, 1), rough(expected.size());
        std::size_t different = 0;
        for (std::size_t i = 0; i < expected.size(); ++i) {
          const std::size_t channel = has_scales ? i % c.right_operand.scale_count : 0;
          const double factor =
              double{*c.left_operand.scale} * double{c.right_operand.scale[channel]};
          const auto with_bias = [&](double sum) {
            const auto y = static_cast<float>(sum * factor);
            return c.bias.empty() ? y : y + c.bias[i % c.bias.size()];
          };
          expected[i] = with_bias(wide.sum(rows.row(i), rows.k));
          rough[i] = with_bias(careless.sum(rows.row(i), rows.k));
          if (expected[i] != rough[i]) ++different;
        }
        EXPECT_EQ(c.result, expected) << c.site << "/" << layer;
        EXPECT_GT(different, 0U) << c.site << "/" << layer << ": float32 would do here";
      }
    }
  }
}

}  // namespace
}  // namespace qloom::test
