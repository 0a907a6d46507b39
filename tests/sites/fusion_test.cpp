// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A pass that does the work of several layers gives the bits of one pass per layer.
#include <string>
#include <vector>

#include "tests/support/training.hpp"

namespace qloom::test {
namespace {

struct Case {
  std::string name, model, rules;
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

const char* const kNone = "[]";
const char* const kAffine = R"([
  {"site": "weight", "quantizer": {"plugin": "affine", "granularity": "channel"}},
  {"site": ["input", "activation"], "quantizer": {"plugin": "affine", "symmetric": false},
   "range": {"plugin": "moving_average_min_max"}}])";
const char* const kLearned = R"([
  {"site": ["weight", "activation"], "quantizer": {"plugin": "lsq", "bits": 4}},
  {"site": "activation", "layers": ["*conv2"], "quantizer": {"plugin": "pact", "bits": 3}},
  {"site": "weight", "layers": ["*conv1"], "quantizer": {"plugin": "ttq"}}])";
const char* const kFixedPoint = R"([
  {"site": "*", "quantizer": {"plugin": "fixed_point", "bits": 12, "fraction_bits": 8},
   "rounding": {"plugin": "stochastic", "random_bits": 16}},
  {"site": "activation", "layers": ["*conv2"], "clamp": {"low": -0.5, "high": 0.5}},
  {"site": ["error", "gradient"], "quantizer": {"plugin": "affine", "symmetric": true},
   "rounding": {"plugin": "stochastic", "random_bits": 8}}])";
const char* const kFloats = R"([
  {"site": ["weight", "activation", "error"],
   "quantizer": {"plugin": "minifloat", "exponent_bits": 5, "mantissa_bits": 2},
   "rounding": {"plugin": "stochastic"}},
  {"norm": {"plugin": "l1_bn"}, "layers": ["*1"]}, {"norm": {"plugin": "range_bn"}, "layers": ["*2"]}])";

class Fusion : public testing::TestWithParam<Case> {};

TEST_P(Fusion, ChangesNoBitOfATrainingStep) {
  const Case& c = GetParam();
  Training plain(c.model, Json::parse(c.rules)), fused(c.model, Json::parse(c.rules));
  plain.network.plan.fuse(false);
  for (std::uint64_t step = 0; step < 3; ++step) {
    EXPECT_EQ(plain.step(step), fused.step(step)) << "logits of step " << step;
    const auto a = plain.network.parameters.list(), b = fused.network.parameters.list();
    for (std::size_t i = 0; i < a.size(); ++i) {
      ASSERT_EQ(values(a[i]->gradient), values(b[i]->gradient))
          << a[i]->name() << ", step " << step;
      ASSERT_EQ(values(a[i]->value), values(b[i]->value)) << a[i]->name() << ", step " << step;
    }
    for (const auto& [name, site] : plain.network.sites.all()) {
      const auto& other = fused.network.sites.all().at(name);
      for (std::size_t i = 0; i < site->learned().size(); ++i) {
        ASSERT_EQ(site->learned()[i].gradient, other->learned()[i].gradient) << name.text();
      }
    }
  }
  EXPECT_EQ(plain.evaluate(), fused.evaluate());
}

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const char* model : {"resnet8", "lenet5"}) {
    all.push_back({std::string(model) + "_float", model, kNone});
    all.push_back({std::string(model) + "_affine", model, kAffine});
    all.push_back({std::string(model) + "_learned", model, kLearned});
    all.push_back({std::string(model) + "_fixed_point", model, kFixedPoint});
    all.push_back({std::string(model) + "_floats", model, kFloats});
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Models, Fusion, testing::ValuesIn(cases()),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace qloom::test
