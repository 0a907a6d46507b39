// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A whole lowered network: gradients along random directions, placement of quantize nodes, state.
#include "host/network/network.hpp"

#include <cmath>
#include <cstring>

#include <omp.h>

#include "host/layers/common/losses.hpp"
#include "host/tensor/random.hpp"
#include "tests/support/method.hpp"

namespace qloom::network {
namespace {

using json::Json;

/// Two branches that meet in an add, a concat, every pooling, norms, a dense end.
const char* const kNetworkModel = R"({
  "format": 1, "name": "test net", "layers": [
    {"name": "conv1", "type": "conv", "filters": 4, "kernel": 3, "padding": "same", "bias": false},
    {"name": "norm1", "type": "norm"},
    {"name": "relu1", "type": "relu"},
    {"name": "pool1", "type": "max_pool", "kernel": 2, "stride": 2},
    {"name": "conv2", "type": "conv", "filters": 4, "kernel": 3, "padding": "same"},
    {"name": "add", "type": "add", "input": ["conv2", "pool1"]},
    {"name": "relu2", "type": "relu6"},
    {"name": "deep", "type": "conv", "filters": 4, "kernel": 3, "padding": "same",
     "groups": "channels", "input": "relu2"},
    {"name": "join", "type": "concat", "input": ["deep", "relu2"]},
    {"name": "pool2", "type": "average_pool", "kernel": 2, "stride": 2},
    {"name": "flat", "type": "flatten"},
    {"name": "fc", "type": "dense", "units": "classes"}]})";

constexpr std::int64_t kNetworkBatch = 6, kNetworkClasses = 5;

Model model() {
  return parse_model(Json::parse(kNetworkModel), "test", {8, 8, 2}, kNetworkClasses);
}

MethodSpec method(const std::string& kind, const std::string& id,
                  const Json& params = Json::object()) {
  const auto& r = test::registry();
  const registry::Method& m = r.require(kind, id, "test");
  return {&m, r.resolve_parameters(m, params, "test"), "test"};
}

Placement floating() {
  Placement p;
  p.norms["norm1"] = method("norm", "batch_norm");
  return p;
}

Placement quantized(const char* rule, std::initializer_list<const char*> keys) {
  Placement p = floating();
  for (const char* key : keys) {
    p.quantizers[sites::SiteKey::parse(key).value()] =
        sites::resolve_quantizer(test::registry(), Json::parse(rule), "test");
  }
  return p;
}

Pass training(std::uint64_t step = 0) {
  Pass pass;
  pass.phase = {step, 0, true, 0.1};
  pass.norms_train = true;
  return pass;
}

struct NetworkFixture {
  NetworkFixture(const Placement& placement, std::uint64_t seed = 3)
      : network(model(), test::registry(), seed), x(test::gaussian({kNetworkBatch, 8, 8, 2}, 11)) {
    network.lower(placement);
    network.parameters.initialise(network.graph.model());
    for (std::int64_t i = 0; i < kNetworkBatch; ++i)
      labels.push_back(static_cast<std::int32_t>(i % kNetworkClasses));
  }
  double loss(std::uint64_t step = 0) {
    const Tensor& logits = network.plan.forward(x, training(step));
    return layers::softmax_cross_entropy(logits.data(), labels.data(), kNetworkBatch,
                                         kNetworkClasses, nullptr)
               .sum /
           kNetworkBatch;
  }
  void gradients(std::uint64_t step = 0) {
    const Tensor& logits = network.plan.forward(x, training(step));
    Tensor dy({kNetworkBatch, kNetworkClasses});
    layers::softmax_cross_entropy(logits.data(), labels.data(), kNetworkBatch, kNetworkClasses,
                                  dy.data());
    network.plan.backward(dy);
  }
  Network network;
  Tensor x;
  std::vector<std::int32_t> labels;
};

TEST(Network, APlanHasShapesAndNoValues) {
  Network network(model(), test::registry(), 3);
  network.parameters.plan_only();
  network.lower(floating());
  ASSERT_FALSE(network.parameters.list().empty());
  for (const Parameter* p : network.parameters.list()) {
    EXPECT_GT(element_count(p->shape), 1U) << p->name();
    EXPECT_EQ(p->value.capacity(), 0U) << p->name();
    EXPECT_EQ(p->gradient.capacity(), 0U) << p->name();
  }
}

TEST(Network, GradientOfEveryParameterIsTheDirectionalDerivative) {
  NetworkFixture f(floating());
  f.gradients();
  for (Parameter* p : f.network.parameters.list()) {
    const Tensor g = p->gradient, w = p->value;
    double squares = 0;
    for (const float v : g) squares += double(v) * v;
    ASSERT_GT(squares, 0) << p->name();
    // Along g / |g| the derivative is |g|. A step of 2^-7 keeps the float32 noise of the loss
    // (2^-24) below 1e-4 of the quotient; the loss is smooth but for kinks of measure zero.
    const double norm = std::sqrt(squares), h = 0x1p-7;
    const auto at = [&](double t) {
      for (std::size_t i = 0; i < w.size(); ++i) {
        p->value[i] = static_cast<float>(double(w[i]) + t * double(g[i]) / norm);
      }
      return f.loss();
    };
    const double slope = (at(h) - at(-h)) / (2 * h);
    p->value = w;
    EXPECT_NEAR(slope, norm, 0.02 * norm + 1e-4) << p->name();
  }
}

TEST(Network, SameBitsForAnyNumberOfThreads) {
  std::vector<std::vector<float>> all;
  for (const int threads : {1, 2, 3}) {
    omp_set_num_threads(threads);
    NetworkFixture f(
        quantized(R"({"quantizer": {"plugin": "affine", "bits": 8},
                            "rounding": {"plugin": "stochastic"}})",
                  {"weight/conv1", "activation/conv2", "error/conv2", "gradient/conv2"}));
    f.gradients(5);
    std::vector<float> values;
    for (Parameter* p : f.network.parameters.list()) {
      values.insert(values.end(), p->gradient.begin(), p->gradient.end());
    }
    all.push_back(values);
  }
  EXPECT_EQ(0, std::memcmp(all[0].data(), all[1].data(), all[0].size() * sizeof(float)));
  EXPECT_EQ(0, std::memcmp(all[0].data(), all[2].data(), all[0].size() * sizeof(float)));
}

TEST(Network, QuantizeNodesStandAtTheInputsOfContractions) {
  NetworkFixture f(
      quantized(R"({"quantizer": {"plugin": "affine", "bits": 4}})",
                {"input/conv1", "activation/conv2", "activation/deep", "activation/fc"}));
  std::vector<std::string> names;
  for (const auto& node : f.network.plan.nodes()) {
    if (node->type == Node::Type::kQuantize) names.push_back(node->name);
  }
  EXPECT_EQ(names, (std::vector<std::string>{"input/conv1", "activation/conv2", "activation/deep",
                                             "activation/fc"}));
}

TEST(Network, AnErrorQuantizerActsOnBothUsesOrOnOne) {
  const char* rule = R"({"quantizer": {"plugin": "affine", "bits": 2}})";
  NetworkFixture plain(floating()), dx(quantized(rule, {"error.dx/fc"})),
      dw(quantized(rule, {"error.dw/fc"}));
  const auto gradient = [](NetworkFixture& f, const char* name) {
    f.gradients();
    for (Parameter* p : f.network.parameters.list()) {
      if (p->name() == name) return test::values(p->gradient);
    }
    return std::vector<float>{};
  };
  EXPECT_EQ(gradient(plain, "fc/weight"), gradient(dx, "fc/weight"));
  EXPECT_NE(gradient(plain, "conv2/weight"), gradient(dx, "conv2/weight"));
  EXPECT_NE(gradient(plain, "fc/weight"), gradient(dw, "fc/weight"));
  EXPECT_EQ(gradient(plain, "conv2/weight"), gradient(dw, "conv2/weight"));
}

TEST(Network, ARemovedNormLeavesABiasAndTheSameEvaluationAfterFolding) {
  NetworkFixture f(floating());
  f.gradients();  // moves the running statistics
  Pass evaluation;
  const std::vector<float> before = test::values(f.network.plan.forward(f.x, evaluation));
  std::vector<float> scale, shift;
  f.network.plan.norms().at(0)->norm->inference(Pass{}, scale, shift);
  f.network.remove_norm(f.network.graph.model().find("norm1"));
  f.network.lower(floating());
  for (Parameter* p : f.network.parameters.list()) {
    if (p->layer != "conv1") continue;
    const std::size_t row = p->value.size() / scale.size();
    for (std::size_t i = 0; i < p->value.size(); ++i) {
      p->value[i] *= scale[i / row];
      if (p->role == QLOOM_ROLE_BIAS) p->value[i] += shift[i];
    }
  }
  const std::vector<float> after = test::values(f.network.plan.forward(f.x, evaluation));
  ASSERT_EQ(before.size(), after.size());
  for (std::size_t i = 0; i < before.size(); ++i) EXPECT_NEAR(before[i], after[i], 1e-5);
}

TEST(Network, StateGoesOnWhereItWas) {
  const Placement placement = quantized(R"({"quantizer": {"plugin": "lsq", "bits": 4}})",
                                        {"weight/conv2", "activation/conv2"});
  OptimizerSettings settings;
  settings.learning_rate = 0.1;
  settings.momentum = 0.9;
  const auto step = [&](NetworkFixture& f, std::uint64_t i) {
    f.gradients(i);
    f.network.update(settings, training(i).phase, i);
  };
  NetworkFixture a(placement), b(placement);
  step(a, 0);
  const data::Arrays state = a.network.save(true);
  data::ArrayReader reader(state, "test");
  b.network.load_everything(reader);
  step(a, 1);
  step(b, 1);
  EXPECT_EQ(a.loss(2), b.loss(2));
}

TEST(BufferPool, AFreeBufferGrowsBeforeANewOneIsMade) {
  BufferPool pool;
  Buffer *small = pool.acquire({10}), *middle = pool.acquire({20});
  EXPECT_NE(small, middle);
  pool.release(small);
  pool.release(middle);
  EXPECT_EQ(pool.acquire({40}), middle) << "the largest grows";
  EXPECT_GE(middle->tensor.capacity(), 40U);
  EXPECT_EQ(pool.acquire({10}), small) << "the smallest that is large enough";
  EXPECT_NE(pool.acquire({5}), small) << "none is free";
}

TEST(Adam, FollowsItsDefinitionInDouble) {
  // 1 - beta2 of float32's 0.999 is off by 1.3e-5, and a step by half of that
  OptimizerSettings settings{OptimizerSettings::Type::kAdam};
  settings.learning_rate = 1;
  Parameter p;
  p.value = test::tensor({0, 0, 0});
  p.velocity = test::tensor({0, 0, 0});
  p.second_moment = test::tensor({0, 0, 0});
  double w[3] = {}, v[3] = {}, second[3] = {};
  for (std::uint64_t count = 0; count < 5; ++count) {
    p.gradient = test::gaussian({3}, count + 1);
    for (std::size_t i = 0; i < 3; ++i) {
      const double g = p.gradient[i], n = static_cast<double>(count + 1);
      v[i] = 0.9 * v[i] + 0.1 * g;
      second[i] = 0.999 * second[i] + 0.001 * g * g;
      w[i] -=
          v[i] / (1 - std::pow(0.9, n)) / (std::sqrt(second[i] / (1 - std::pow(0.999, n))) + 1e-8);
    }
    update(p, settings, {}, count);
    for (std::size_t i = 0; i < 3; ++i) {
      EXPECT_NEAR(p.value[i], w[i], 1e-6 * static_cast<double>(count + 1)) << "step " << count;
    }
  }
}

TEST(Network, NotFiniteValuesAreNamed) {
  NetworkFixture f(floating());
  f.network.plan.forward(f.x, training());
  EXPECT_EQ(f.network.first_non_finite(), "");
  f.network.parameters.list().back()->value[0] = std::nanf("");
  f.network.plan.forward(f.x, training());
  EXPECT_EQ(f.network.first_non_finite(), "fc");
}

}  // namespace
}  // namespace qloom::network
