// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Layer types that the examples do not have, in a network with quantizers around them: gradients,
// the same bits in one pass and in many, on any number of threads, their place among sites.
#include <cmath>

#include <omp.h>

#include "host/layers/common/losses.hpp"
#include "host/network/network.hpp"
#include "tests/support/method.hpp"

namespace qloom::network {
namespace {

using json::Json;

/// Every new type, in runs with norms, quantizers and each other, some read twice.
const char* const kModel = R"({"layers": [
    {"name": "frame", "type": "pad", "top": 1, "left": 2, "value": 0.5},
    {"name": "conv1", "type": "conv", "filters": 4, "kernel": 3, "dilation": 2, "bias": false},
    {"name": "norm1", "type": "norm"},
    {"name": "leaky", "type": "leaky_relu", "slope": 0.2},
    {"name": "drop1", "type": "dropout", "rate": 0.25},
    {"name": "conv2", "type": "conv", "filters": 4, "kernel": 3, "padding": "same",
     "dilation": {"height": 1, "width": 2}},
    {"name": "swish", "type": "hard_swish"},
    {"name": "gate", "type": "conv", "filters": 4, "kernel": 1},
    {"name": "sigmoid", "type": "sigmoid"},
    {"name": "gated", "type": "multiply", "input": ["swish", "sigmoid"]},
    {"name": "tanh", "type": "tanh"},
    {"name": "square", "type": "multiply", "input": ["tanh", "tanh"]},
    {"name": "relu", "type": "relu"},
    {"name": "drop2", "type": "dropout", "rate": 0.1},
    {"name": "conv3", "type": "conv", "filters": 3, "kernel": 1},
    {"name": "mean", "type": "channel_mean"},
    {"name": "fc", "type": "dense", "units": "classes"}]})";

constexpr std::int64_t kBatch = 6, kClasses = 5;

struct Fixture {
  explicit Fixture(const char* rule)
      : network(parse_model(Json::parse(kModel), "test", {8, 8, 2}, kClasses), test::registry(), 3),
        x(test::gaussian({kBatch, 8, 8, 2}, 11)),
        dy({kBatch, kClasses}) {
    const auto& r = test::registry();
    const registry::Method& norm = r.require("norm", "batch_norm", "test");
    Placement placement;
    placement.norms["norm1"] = {&norm, r.resolve_parameters(norm, Json::object(), "test"), "test"};
    if (rule != nullptr) {
      for (const char* key : {"weight/conv1", "input/conv1", "activation/conv2", "weight/conv2",
                              "activation/gate", "activation/conv3", "activation/fc", "error/conv1",
                              "error/conv2", "error/gate", "error/conv3"}) {
        placement.quantizers[*sites::SiteKey::parse(key)] =
            sites::resolve_quantizer(test::registry(), Json::parse(rule), "test");
      }
    }
    network.lower(placement);
    network.parameters.initialise(network.graph.model());
    for (std::int32_t i = 0; i < kBatch; ++i) labels.push_back(i % kClasses);
  }
  static Pass pass(std::uint64_t step) {
    Pass pass;
    pass.phase = {step, 0, true, 0.1};
    pass.norms_train = true;
    return pass;
  }
  double loss(std::uint64_t step) {
    const Tensor& logits = network.plan.forward(x, pass(step));
    return layers::softmax_cross_entropy(logits.data(), labels.data(), kBatch, kClasses, dy.data())
               .sum /
           kBatch;
  }
  /// The gradients of all parameters.
  std::vector<float> gradients(std::uint64_t step) {
    loss(step);
    network.plan.backward(dy);
    std::vector<float> all;
    for (const Parameter* p : network.parameters.list()) {
      all.insert(all.end(), p->gradient.begin(), p->gradient.end());
    }
    return all;
  }

  Network network;
  Tensor x, dy;
  std::vector<std::int32_t> labels;
};

const char* const kStochastic = R"({"quantizer": {"plugin": "affine", "bits": 8},
                                    "rounding": {"plugin": "stochastic"}})";

TEST(LayerTypes, GradientOfEveryParameterIsTheDirectionalDerivative) {
  Fixture f(nullptr);
  f.gradients(4);
  for (Parameter* p : f.network.parameters.list()) {
    const Tensor g = p->gradient, w = p->value;
    double squares = 0;
    for (const float v : g) squares += double(v) * v;
    ASSERT_GT(squares, 0) << p->name();
    // As in network_test.cpp; the mask of a step is the same at both ends.
    const double norm = std::sqrt(squares), h = 0x1p-7;
    const auto at = [&](double t) {
      for (std::size_t i = 0; i < w.size(); ++i) {
        p->value[i] = static_cast<float>(double(w[i]) + t * double(g[i]) / norm);
      }
      return f.loss(4);
    };
    const double slope = (at(h) - at(-h)) / (2 * h);
    p->value = w;
    EXPECT_NEAR(slope, norm, 0.02 * norm + 1e-4) << p->name();
  }
}

TEST(LayerTypes, OnePassGivesTheBitsOfMany) {
  for (const char* rule : {static_cast<const char*>(nullptr), kStochastic}) {
    Fixture fused(rule), plain(rule);
    plain.network.plan.fuse(false);
    for (std::uint64_t step = 0; step < 3; ++step) {
      EXPECT_EQ(fused.gradients(step), plain.gradients(step)) << step;
    }
    EXPECT_EQ(test::values(fused.network.plan.forward(fused.x, Pass{})),
              test::values(plain.network.plan.forward(plain.x, Pass{})));
  }
}

TEST(LayerTypes, SameBitsForAnyNumberOfThreads) {
  std::vector<std::vector<float>> all;
  for (const int threads : {1, 2, 3}) {
    omp_set_num_threads(threads);
    all.push_back(Fixture(kStochastic).gradients(5));
  }
  EXPECT_EQ(all[0], all[1]);
  EXPECT_EQ(all[0], all[2]);
}

TEST(LayerTypes, DropoutActsInTrainingOnlyAndByStep) {
  Fixture f(nullptr);
  const auto evaluate = [&] { return test::values(f.network.plan.forward(f.x, Pass{})); };
  EXPECT_EQ(evaluate(), evaluate());
  EXPECT_EQ(f.gradients(5), Fixture(nullptr).gradients(5));  // no state: 4 before changes nothing
  EXPECT_NE(f.loss(5), f.loss(6));
}

TEST(LayerTypes, SitesSeeThroughWhatKeepsSignOrInput) {
  const Fixture f(kStochastic);
  const auto context = [&](const char* key) {
    return f.network.sites.all().at(*sites::SiteKey::parse(key))->context();
  };
  // conv1 reads the padded input of the network; drop2 hands on what relu gives
  EXPECT_FALSE(context("input/conv1").after_relu);
  EXPECT_FALSE(context("activation/conv2").after_relu);  // of leaky_relu
  EXPECT_FALSE(context("activation/gate").after_relu);   // of hard_swish
  EXPECT_TRUE(context("activation/conv3").after_relu);
  EXPECT_FALSE(context("activation/fc").after_relu);
}

}  // namespace
}  // namespace qloom::network
