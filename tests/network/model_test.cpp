// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/network/model.hpp"

#include <fstream>

#include <gtest/gtest.h>

#include "host/tensor/error.hpp"

namespace qloom::network {
namespace {

using Json = nlohmann::json;

constexpr SampleShape kImage{28, 28, 1};

Model parse(const std::string& layers, SampleShape input = kImage, std::int64_t classes = 10) {
  return parse_model(Json::parse(R"({"layers": [)" + layers + "]}"), "m.json", input, classes);
}

std::string error_of(const std::string& layers, SampleShape input = kImage) {
  try {
    static_cast<void>(parse(layers, input));
  } catch (const InputError& e) {
    return e.what();
  }
  ADD_FAILURE() << "nothing was thrown for " << layers;
  return "";
}

constexpr const char* kEnd = R"(, {"name": "end", "type": "dense", "units": "classes"})";

/// The first layer of a model that ends with a dense one.
Layer first(const std::string& layer, SampleShape input = kImage) {
  return parse(layer + kEnd, input).layers.at(0);
}

Model example(const std::string& name, SampleShape input) {
  std::ifstream in(std::string(QLOOM_SOURCE_DIR) + "/examples/models/" + name + ".json");
  return parse_model(Json::parse(in), name + ".json", input, 10);
}

std::int64_t weights_of(const Model& model) {
  std::int64_t n = 0;
  for (const Layer& l : model.layers) {
    if (l.type->name == std::string("conv")) {
      n += l.out.channels * l.kernel_h * l.kernel_w * l.in.channels / l.groups;
    }
    if (l.type->name == std::string("dense")) n += l.in.size() * l.out.channels;
  }
  return n;
}

TEST(Model, ReadsAConvolutionWithItsDefaults) {
  const Layer l = first(R"({"name": "c", "type": "conv", "filters": 6, "kernel": 5})");
  EXPECT_STREQ(l.type->name, "conv");
  EXPECT_EQ(l.inputs, std::vector<int>{-1});
  EXPECT_EQ(l.in, kImage);
  EXPECT_EQ(l.out, (SampleShape{24, 24, 6}));
  EXPECT_EQ(l.stride_h, 1);
  EXPECT_EQ(l.stride_w, 1);
  EXPECT_EQ(l.groups, 1);
  EXPECT_EQ(l.pad_top + l.pad_bottom + l.pad_left + l.pad_right, 0);
  EXPECT_TRUE(l.has_bias);
  EXPECT_EQ(l.initialisation, "he");
}

TEST(Model, PadsSameWithTheOddRestAtBottomAndRight) {
  const Layer odd = first(R"({"name": "c", "type": "conv", "filters": 2, "kernel": 3,
                              "stride": 2, "padding": "same"})");
  // 14 outputs need 13 * 2 + 3 = 29 inputs: one zero, after the image.
  EXPECT_EQ(odd.out, (SampleShape{14, 14, 2}));
  EXPECT_EQ(odd.pad_top, 0);
  EXPECT_EQ(odd.pad_bottom, 1);
  EXPECT_EQ(odd.pad_left, 0);
  EXPECT_EQ(odd.pad_right, 1);
  const Layer even = first(R"({"name": "c", "type": "conv", "filters": 2, "kernel": 5,
                               "padding": "same"})");
  EXPECT_EQ(even.out, (SampleShape{28, 28, 2}));
  EXPECT_EQ(even.pad_top, 2);
  EXPECT_EQ(even.pad_bottom, 2);
  const Layer wide = first(R"({"name": "c", "type": "conv", "filters": 2, "kernel": 1,
                               "stride": 2, "padding": "same"})",
                           {7, 7, 3});
  EXPECT_EQ(wide.out, (SampleShape{4, 4, 2}));
  EXPECT_EQ(wide.pad_bottom, 0);
}

TEST(Model, ReadsUnequalKernelsAndStridesAndNumericPadding) {
  const Layer l = first(R"({"name": "c", "type": "conv", "filters": 2,
    "kernel": {"height": 3, "width": 5}, "stride": {"height": 2, "width": 3}, "padding": 1,
    "bias": false, "initialisation": "uniform"})",
                        {9, 11, 4});
  EXPECT_EQ(l.kernel_h, 3);
  EXPECT_EQ(l.kernel_w, 5);
  EXPECT_EQ(l.stride_h, 2);
  EXPECT_EQ(l.stride_w, 3);
  EXPECT_EQ(l.pad_left, 1);
  EXPECT_EQ(l.out, (SampleShape{5, 3, 2}));  // (9 + 2 - 3) / 2 + 1, (11 + 2 - 5) / 3 + 1
  EXPECT_FALSE(l.has_bias);
  EXPECT_EQ(l.initialisation, "uniform");
}

TEST(Model, ReadsDepthwiseAndGroupedConvolutions) {
  const Layer depthwise =
      first(R"({"name": "c", "type": "conv", "kernel": 3, "groups": "channels"})", {8, 8, 6});
  EXPECT_EQ(depthwise.groups, 6);
  EXPECT_EQ(depthwise.out.channels, 6);
  const Layer grouped = first(R"({"name": "c", "type": "conv", "filters": 4, "kernel": 3,
                                  "groups": 2})",
                              {8, 8, 6});
  EXPECT_EQ(grouped.groups, 2);
  EXPECT_EQ(grouped.out.channels, 4);
}

TEST(Model, PoolsStepByTheirKernelUnlessTold) {
  const Layer pool = first(R"({"name": "p", "type": "max_pool", "kernel": 2})", {7, 7, 3});
  EXPECT_EQ(pool.stride_h, 2);
  EXPECT_EQ(pool.out, (SampleShape{3, 3, 3}));
  const Layer dense = first(R"({"name": "p", "type": "average_pool", "kernel": 3, "stride": 1,
                                "padding": 1})",
                            {7, 7, 3});
  EXPECT_EQ(dense.out, (SampleShape{7, 7, 3}));
  const Layer global = first(R"({"name": "p", "type": "global_average_pool"})", {7, 5, 3});
  EXPECT_EQ(global.kernel_h, 7);
  EXPECT_EQ(global.kernel_w, 5);
  EXPECT_EQ(global.out, (SampleShape{1, 1, 3}));
}

TEST(Model, FlattensAddsAndConcatenates) {
  const Model m = parse(R"({"name": "a", "type": "conv", "filters": 2, "kernel": 1},
    {"name": "b", "type": "conv", "input": "input", "filters": 2, "kernel": 1},
    {"name": "sum", "type": "add", "input": ["a", "b"]},
    {"name": "both", "type": "concat", "input": ["sum", "a", "input"]},
    {"name": "flat", "type": "flatten"})" +
                            std::string(kEnd),
                        {4, 4, 3});
  EXPECT_EQ(m.layers[1].inputs, std::vector<int>{-1});
  EXPECT_EQ(m.layers[2].inputs, (std::vector<int>{0, 1}));
  EXPECT_EQ(m.layers[2].out, (SampleShape{4, 4, 2}));
  EXPECT_EQ(m.layers[3].inputs, (std::vector<int>{2, 0, -1}));
  EXPECT_EQ(m.layers[3].out, (SampleShape{4, 4, 7}));
  EXPECT_EQ(m.layers[4].out, (SampleShape{1, 1, 112}));
  EXPECT_EQ(m.find("both"), 3);
  EXPECT_EQ(m.find("none"), -1);
}

TEST(Model, GivesOneLogitPerClass) {
  EXPECT_EQ(parse(R"({"name": "d", "type": "dense", "units": "classes"})", kImage, 7).layers[0].out,
            (SampleShape{1, 1, 7}));
  EXPECT_EQ(
      error_of(R"({"name": "d", "type": "dense", "units": 9})"),
      "m.json: /layers/0: the last layer \"d\" gives 1 x 1 x 9; expected 1 x 1 x 10, one logit "
      "per class");
}

TEST(Model, EveryTypeHasTheNameOfTheFile) {
  const std::string names[] = {"conv",  "dense",    "norm",         "relu",
                               "relu6", "max_pool", "average_pool", "global_average_pool",
                               "add",   "concat",   "flatten"};
  for (const std::string& name : names) {
    ASSERT_NE(layers::find_type(name), nullptr) << name;
    EXPECT_EQ(layers::find_type(name)->name, name);
  }
  EXPECT_EQ(layers::find_type("softplus"), nullptr);
}

TEST(Model, ExamplesFitSmallImagesOfOneAndThreeChannels) {
  for (const char* name : {"mlp", "lenet_300_100", "bnn_mlp", "bnn_cnn", "lenet5", "vgg_small",
                           "resnet8", "resnet20"}) {
    for (const SampleShape input : {kImage, SampleShape{32, 32, 3}}) {
      const Model m = example(name, input);
      EXPECT_EQ(m.name, name);
      EXPECT_EQ(m.layers.back().out, (SampleShape{1, 1, 10})) << name;
    }
  }
}

TEST(Model, ExamplesHaveTheSizesOfTheirPapers) {
  EXPECT_EQ(weights_of(example("mlp", kImage)), 784 * 256 + 256 * 128 + 128 * 10);
  // LeCun et al., 1998, without biases: 5*5*6 + 5*5*6*16 + 400*120 + 120*84 + 84*10
  EXPECT_EQ(weights_of(example("lenet5", kImage)), 150 + 2400 + 48000 + 10080 + 840);
  // He et al., 2016, table 6: 0.27 million for 20 layers (269,722 without biases or projections:
  // 432 + 6*2304 + (4608 + 5*9216) + (18432 + 5*36864) + 640); 1x1 projections add 512 + 2048.
  EXPECT_EQ(weights_of(example("resnet20", {32, 32, 3})),
            432 + 6 * 2304 + 4608 + 5 * 9216 + 18432 + 5 * 36864 + 640 + 512 + 2048);
  int contractions = 0;
  for (const Layer& l : example("resnet8", {32, 32, 3}).layers) {
    contractions += l.is_contraction() && l.kernel_h != 1 ? 1 : 0;
  }
  EXPECT_EQ(contractions, 7);  // and the dense one: 8 layers
}

TEST(Model, RefusesADuplicateOrReservedName) {
  EXPECT_EQ(error_of(R"({"name": "r", "type": "relu"}, {"name": "r", "type": "relu"})"),
            "m.json: /layers/1/name: \"r\" is already the name of layer 0; expected a unique name");
  EXPECT_EQ(error_of(R"({"name": "input", "type": "relu"})"),
            "m.json: /layers/0/name: \"input\" is the name of the network's input");
}

TEST(Model, RefusesAnUnknownInputWithTheNearestName) {
  EXPECT_EQ(error_of(R"({"name": "conv1", "type": "relu"},
                        {"name": "d", "type": "dense", "units": 10, "input": "cnov1"})"),
            "m.json: /layers/1/input: \"cnov1\" is no earlier layer, did you mean \"conv1\"?");
  EXPECT_EQ(error_of(R"({"name": "a", "type": "relu"},
                        {"name": "s", "type": "add", "input": ["a", "zzzzzzzz"]})"),
            "m.json: /layers/1/input/1: \"zzzzzzzz\" is no earlier layer; known: \"input\", \"a\"");
}

TEST(Model, RefusesACycle) {
  EXPECT_EQ(
      error_of(R"({"name": "a", "type": "relu", "input": "b"},
                        {"name": "b", "type": "relu", "input": "a"})"),
      "m.json: /layers/0/input: \"b\" does not stand before this layer; a layer reads earlier "
      "ones, cycles have no order");
  EXPECT_EQ(
      error_of(R"({"name": "a", "type": "relu", "input": "a"})"),
      "m.json: /layers/0/input: \"a\" does not stand before this layer; a layer reads earlier "
      "ones, cycles have no order");
}

TEST(Model, RefusesALayerThatNobodyReads) {
  EXPECT_EQ(
      error_of(R"({"name": "a", "type": "relu"},
                        {"name": "d", "type": "dense", "units": 10, "input": "input"})"),
      "m.json: /layers/0: nobody reads layer \"a\"; only the last layer gives its output away");
}

TEST(Model, RefusesShapesThatDoNotFit) {
  const std::string two = R"({"name": "a", "type": "conv", "filters": 2, "kernel": 3},
    {"name": "b", "type": "conv", "input": "input", "filters": 2, "kernel": 1},)";
  EXPECT_EQ(
      error_of(two + R"({"name": "s", "type": "add", "input": ["a", "b"]})"),
      "m.json: /layers/2/input: shapes 26 x 26 x 2 and 28 x 28 x 2 differ; expected two of one "
      "shape");
  EXPECT_EQ(
      error_of(two + R"({"name": "s", "type": "concat", "input": ["a", "b"]})"),
      "m.json: /layers/2/input: shapes 26 x 26 x 2 and 28 x 28 x 2 differ in height or width");
  EXPECT_EQ(error_of(R"({"name": "a", "type": "conv", "filters": 2, "kernel": 29})"),
            "m.json: /layers/0/kernel: 29 x 29 is larger than the padded input 28 x 28");
  EXPECT_EQ(error_of(R"({"name": "a", "type": "max_pool", "kernel": 2, "padding": 2})"),
            "m.json: /layers/0/padding: 2 is not below the kernel 2 x 2: a window would see only "
            "padding");
  EXPECT_EQ(error_of(R"({"name": "a", "type": "conv", "filters": 2, "kernel": 1, "groups": 2})"),
            "m.json: /layers/0/groups: 2 does not divide the 1 channels of the input");
  EXPECT_EQ(error_of(R"({"name": "a", "type": "conv", "filters": 3, "kernel": 1, "groups": 2})",
                     {8, 8, 4}),
            "m.json: /layers/0/filters: 3 is not a multiple of the 2 groups");
}

TEST(Model, ReadsTheKeysOfEveryActivationAndFrame) {
  EXPECT_FLOAT_EQ(first(R"({"name": "a", "type": "leaky_relu"})").slope, 0.01F);
  EXPECT_EQ(first(R"({"name": "a", "type": "leaky_relu", "slope": 0.5})").slope, 0.5F);
  EXPECT_EQ(first(R"({"name": "a", "type": "dropout", "rate": 0.25})").rate, 0.25F);
  EXPECT_NE(first(R"({"name": "a", "type": "dropout", "rate": 0.25})").stream,
            first(R"({"name": "b", "type": "dropout", "rate": 0.25})").stream);
  EXPECT_EQ(first(R"({"name": "a", "type": "channel_mean"})", {4, 5, 6}).out,
            (SampleShape{4, 5, 1}));
  const Layer pad = first(
      R"({"name": "a", "type": "pad", "top": 1, "bottom": 2, "left": 3, "value": -1})", {4, 5, 6});
  EXPECT_EQ(pad.out, (SampleShape{7, 8, 6}));
  EXPECT_EQ(pad.value, -1);
  EXPECT_EQ(pad.sign, layers::Sign::kAny);
  for (const char* type : {"sigmoid", "tanh", "hard_swish"}) {
    const Layer layer = first(std::string(R"({"name": "a", "type": ")") + type + "\"}");
    EXPECT_EQ(layer.out, kImage) << type;
  }
  const Layer square = parse(R"({"name": "a", "type": "tanh"},
               {"name": "s", "type": "multiply", "input": ["a", "input"]})" +
                             std::string(kEnd))
                           .layers.at(1);
  EXPECT_EQ(square.out, kImage);
}

TEST(Model, DilationSpreadsTheKernel) {
  const Layer conv = first(R"({"name": "c", "type": "conv", "filters": 2, "kernel": 3,
                               "dilation": {"height": 2, "width": 3}})");
  EXPECT_EQ(conv.out, (SampleShape{24, 22, 2}));
  const Layer same = first(R"({"name": "c", "type": "conv", "filters": 2, "kernel": 3,
                               "padding": "same", "stride": 2, "dilation": 2})");
  EXPECT_EQ(same.out, (SampleShape{14, 14, 2}));
  EXPECT_EQ(same.pad_top + same.pad_bottom, 3);
  EXPECT_EQ(error_of(R"({"name": "a", "type": "conv", "filters": 2, "kernel": 8, "dilation": 4})"),
            "m.json: /layers/0/kernel: 8 x 8 (with dilation 29 x 29) is larger than the padded "
            "input 28 x 28");
}

TEST(Model, RefusesWhatTheTypesCannotDo) {
  EXPECT_EQ(error_of(R"({"name": "a", "type": "dropout"})"),
            "m.json: /layers/0: missing key \"rate\", which type \"dropout\" needs");
  EXPECT_NE(error_of(R"({"name": "a", "type": "dropout", "rate": 1})").find("/layers/0/rate"),
            std::string::npos);
  EXPECT_NE(error_of(R"({"name": "a", "type": "leaky_relu", "slope": 0})").find("/layers/0/slope"),
            std::string::npos);
  EXPECT_EQ(error_of(R"({"name": "a", "type": "pad", "value": 1})"),
            "m.json: /layers/0: a pad of no pixel; expected \"top\", \"bottom\", \"left\" or "
            "\"right\" of 1 or more");
  EXPECT_EQ(error_of(R"({"name": "a", "type": "tanh", "rate": 0.5})"),
            "m.json: /layers/0/rate: 0.5 has no meaning in a layer of type \"tanh\"");
  EXPECT_EQ(error_of(R"({"name": "a", "type": "multiply"})"),
            "m.json: /layers/0: missing key \"input\", which type \"multiply\" needs");
  EXPECT_EQ(
      error_of(R"({"name": "p", "type": "pad", "top": 1},
                  {"name": "a", "type": "multiply", "input": ["p", "input"]})"),
      "m.json: /layers/1/input: shapes 29 x 28 x 1 and 28 x 28 x 1 differ; expected two of one "
      "shape");
}

TEST(Model, RefusesTheWrongNumberOfInputs) {
  EXPECT_EQ(
      error_of(R"({"name": "a", "type": "relu"},
                        {"name": "b", "type": "relu", "input": ["a", "input"]})"),
      "m.json: /layers/1/input: [\"a\",\"input\"] are 2 inputs; type \"relu\" takes one input");
  EXPECT_EQ(error_of(R"({"name": "a", "type": "add"})"),
            "m.json: /layers/0: missing key \"input\", which type \"add\" needs");
  EXPECT_EQ(error_of(R"({"name": "a", "type": "add", "input": "input"})"),
            "m.json: /layers/0/input: \"input\" are 1 inputs; type \"add\" takes two inputs");
}

TEST(Model, RefusesKeysThatTheTypeDoesNotKnowAndMissingOnes) {
  EXPECT_EQ(error_of(R"({"name": "a", "type": "relu", "units": 3})"),
            "m.json: /layers/0/units: 3 has no meaning in a layer of type \"relu\"");
  EXPECT_EQ(error_of(R"({"name": "a", "type": "dense"})"),
            "m.json: /layers/0: missing key \"units\", which type \"dense\" needs");
  EXPECT_EQ(error_of(R"({"name": "a", "type": "conv", "kernel": 3})"),
            "m.json: /layers/0: missing key \"filters\", which type \"conv\" needs");
  EXPECT_EQ(error_of(R"({"name": "a", "type": "conv", "filters": 3})"),
            "m.json: /layers/0: missing key \"kernel\", which type \"conv\" needs");
}

TEST(Model, RefusesWhatTheSchemaRefuses) {
  EXPECT_EQ(error_of(R"({"name": "a", "type": "cnv"})").find("m.json: /layers/0/type: \"cnv\""),
            0U);
  EXPECT_EQ(error_of(R"({"name": "a", "type": "relu", "imput": "x"})"),
            "m.json: /layers/0/imput: unknown key \"imput\", did you mean \"input\"?");
  EXPECT_EQ(error_of(R"({"name": "a", "type": "conv", "filters": 0, "kernel": 1})"),
            "m.json: /layers/0/filters: 0 is below the minimum 1; expected an integer from 1 to "
            "65536");
  EXPECT_EQ(error_of(R"({"name": "a/b", "type": "relu"})").find("m.json: /layers/0/name: \"a/b\""),
            0U);
  EXPECT_EQ(error_of("").find("m.json: /layers: "), 0U);
}

TEST(Model, RefusesANewerFormat) {
  try {
    static_cast<void>(parse_model({{"format", 2}}, "m.json", kImage, 10));
    ADD_FAILURE() << "nothing was thrown";
  } catch (const InputError& e) {
    EXPECT_STREQ(e.what(), "m.json: /format: 2 is newer than 1, the newest known");
  }
}

TEST(Model, InsideAPipelineNamesItsPlaceThere) {
  try {
    static_cast<void>(parse_model(Json::parse(R"({"layers": [{"name": "a", "type": "dense"}]})"),
                                  "p.json: /model/inline", kImage, 10));
    ADD_FAILURE() << "nothing was thrown";
  } catch (const InputError& e) {
    EXPECT_STREQ(e.what(),
                 "p.json: /model/inline/layers/0: missing key \"units\", which type "
                 "\"dense\" needs");
  }
}

}  // namespace
}  // namespace qloom::network
