// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The recipe tflite_ptq: which grid each of its modes puts where, and the figures that are worked
// out by hand for it.
#include <string>
#include <vector>

#include "host/tensor/error.hpp"
#include "tests/support/bench.hpp"

namespace qloom::test {
namespace {

Json recipe_of(const std::string& mode) {
  return {{"recipe", {{"plugin", "tflite_ptq"}, {"variant", mode}}}};
}
sites::Placement placement_of(const std::string& mode) {
  const pipeline::Pipeline pipeline = bench_pipeline(Json::array(), recipe_of(mode));
  const network::Model model =
      network::parse_model(pipeline.model, pipeline.model_where, {8, 8, 2}, Bench::kClasses);
  return placing::place(pipeline, model, registry(), {});
}
/// "affine" of so many bits at a site, or "".
std::string at(const sites::Placement& placement, const std::string& key) {
  const auto found = placement.quantizers.find(site_key(key));
  if (found == placement.quantizers.end()) return "";
  const methods::MethodSpec& quantizer = found->second.quantizer;
  const std::string bits = quantizer.params.contains("bits") ? quantizer.params["bits"].dump() : "";
  return quantizer.method->id + bits;
}

TEST(TflitePtq, EachModeQuantizesWhatItsConverterDoes) {
  const sites::Placement half = placement_of("float16"), dynamic = placement_of("dynamic"),
                         whole = placement_of("int8"), wide = placement_of("int16x8");
  for (const std::string layer : {"conv1", "conv2", "left", "right", "fc"}) {
    const std::string read = layer == "conv1" ? "input/" : "activation/";
    EXPECT_EQ(at(half, "weight/" + layer), "minifloat");
    EXPECT_EQ(at(half, read + layer), "");
    for (const sites::Placement* one : {&dynamic, &whole, &wide}) {
      EXPECT_EQ(at(*one, "weight/" + layer), "affine8");
      const auto& weight = one->quantizers.at(site_key("weight/" + layer));
      EXPECT_EQ(methods::granularity_of(weight.quantizer), layer == "fc" ? "tensor" : "channel");
      EXPECT_EQ(weight.rounding.method->id, "nearest_away");
    }
    EXPECT_EQ(at(dynamic, read + layer), "affine8");
    EXPECT_TRUE(dynamic.quantizers.at(site_key(read + layer)).is_dynamic);
    EXPECT_EQ(at(dynamic, "bias/" + layer), "") << "stays float";
    EXPECT_EQ(at(whole, read + layer), "affine8");
    EXPECT_EQ(at(wide, read + layer), "affine16");
    EXPECT_EQ(at(whole, "bias/" + layer), "product32");
    EXPECT_EQ(at(wide, "bias/" + layer), "product32");
  }
  EXPECT_EQ(at(whole, "logits/fc"), "affine8");
  EXPECT_EQ(at(dynamic, "logits/fc"), "");
}

TEST(TflitePtq, ItsGridsAreThoseOfTheSpecification) {
  Site x(R"({"quantizer": {"plugin": "affine", "bits": 8, "symmetric": false, "signed": true},
             "range": {"plugin": "min_max"}, "rounding": {"plugin": "nearest_away"}})");
  (void)x.forward(tensor({-1, 3, 0}));
  const qloom_encoding grid = x.node.encoding();
  EXPECT_EQ(grid.grid.scale[0], 4.0F / 255);
  EXPECT_EQ(grid.grid.zero_point[0], -64);
  EXPECT_EQ(x.encode(tensor({0, -1, 3})), (std::vector<std::int32_t>{-64, -128, 127}));
  Site w(R"({"quantizer": {"plugin": "affine", "bits": 8, "symmetric": true, "signed": true,
             "narrow_range": true}, "rounding": {"plugin": "nearest_away"}})");
  (void)w.forward(tensor({.5F, -.5F}));
  EXPECT_EQ(w.node.encoding().grid.scale[0], .5F / 127);
  EXPECT_EQ(w.encode(tensor({.5F, -.5F})), (std::vector<std::int32_t>{127, -127}));
  Site bias(R"({"quantizer": {"plugin": "product"}, "rounding": {"plugin": "nearest_away"}})",
            {.name = "bias/test", .channel_axis = 0});
  bias.node.tell_products({double{4.0F / 255} * double{.5F / 127}});
  (void)bias.forward(tensor({.1F}));
  EXPECT_EQ(bias.encode(tensor({.1F})), std::vector<std::int32_t>{1619}) << "1619.25";
}

TEST(TflitePtq, KnowsNoOtherMode) {
  EXPECT_THROW(bench_pipeline(Json::array(), recipe_of("int4")), InputError);
}

}  // namespace
}  // namespace qloom::test
