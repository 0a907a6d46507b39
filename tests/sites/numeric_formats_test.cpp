// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Microscaling, wide and wrapping formats at the sites of a network in training.
#include "tests/support/bench.hpp"

namespace qloom::test {
namespace {

Json formats_at(const char* site, const char* quantizer) {
  return {{"site", site}, {"quantizer", Json::parse(quantizer)}};
}

TEST(NumericFormats, AWideBiasAndWideWeightsAreAsGoodAsFloats) {
  // 31 bits of fraction hold all that float32 has of values from 2^-8 on.
  const Json rules = Json::array(
      {formats_at("bias", R"({"plugin": "fixed_point", "bits": 32, "fraction_bits": 28})"),
       formats_at("weight", R"({"plugin": "affine", "bits": 32, "symmetric": true})")});
  Bench bench(rules), plain(Json::array());
  expect_near(values(bench.forward(0)), values(plain.forward(0)), 1e-4);
  EXPECT_EQ(bench.network.sites.all().at(site_key("bias/fc"))->encoding().bits, 32U);
}

TEST(NumericFormats, MicroscalingActsOnWeightsActivationsErrorsAndGradients) {
  for (const char* site : {"weight", "activation", "error", "gradient"}) {
    for (const char* quantizer :
         {R"({"plugin": "mx", "format": "mxfp8_e4m3"})", R"({"plugin": "mx", "format": "mxint8"})",
          R"({"plugin": "mx", "format": "mxfp4_e2m1", "axis": 0})", R"({"plugin": "nvfp4"})"}) {
      Bench bench(Json::array({formats_at(site, quantizer)})), plain(Json::array());
      for (std::uint64_t step = 0; step < 2; ++step) {
        bench.train(step);
        plain.train(step);
      }
      EXPECT_NE(values(bench.forward(2)), values(plain.forward(2))) << site << " " << quantizer;
    }
  }
}

TEST(NumericFormats, WrappingChangesTheNetworkOnlyWhereValuesOverflow) {
  const auto logits = [](const char* overflow, int fraction_bits) {
    Json rule = formats_at("activation", R"({"plugin": "fixed_point", "bits": 12})");
    rule["quantizer"]["fraction_bits"] = fraction_bits;
    rule["quantizer"]["overflow"] = overflow;
    Bench bench(Json::array({rule}));
    bench.train(0);
    return values(bench.forward(1));
  };
  EXPECT_EQ(logits("wrap", 3), logits("saturate", 3));  // up to 256
  EXPECT_NE(logits("wrap", 12), logits("saturate", 12));
}

}  // namespace
}  // namespace qloom::test
