// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "tests/support/bench.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include <unistd.h>

#include "host/layers/common/losses.hpp"
#include "host/placing/placing.hpp"

namespace qloom::test {
namespace {

network::Pass pass_of(std::uint64_t step, bool training) {
  network::Pass pass;
  pass.phase = {step, 0, training, 0.125};
  pass.norms_train = training;
  return pass;
}

std::vector<float> copy(const float* values, std::int64_t n) { return {values, values + n}; }

}  // namespace

Json bench_model() {
  return Json::parse(R"({"format": 1, "name": "bench", "layers": [
    {"name": "conv1", "type": "conv", "filters": 4, "kernel": 3, "padding": "same", "bias": false},
    {"name": "norm1", "type": "norm"},
    {"name": "relu1", "type": "relu"},
    {"name": "pool1", "type": "max_pool", "kernel": 2, "stride": 2},
    {"name": "conv2", "type": "conv", "filters": 6, "kernel": 3, "padding": "same"},
    {"name": "relu2", "type": "relu"},
    {"name": "left", "type": "conv", "filters": 6, "kernel": 1},
    {"name": "right", "type": "conv", "filters": 6, "kernel": 3, "padding": "same",
     "groups": "channels", "input": "relu2"},
    {"name": "add", "type": "add", "input": ["left", "right"]},
    {"name": "relu3", "type": "relu"},
    {"name": "fc", "type": "dense", "units": "classes"}]})");
}

pipeline::Pipeline bench_pipeline(const Json& rules, const Json& patch) {
  Json text{{"seed", 3},
            {"data", {{"dataset", "fashion-mnist"}}},
            {"model", {{"inline", bench_model()}}},
            {"rules", rules},
            {"stages", Json::array({Json{{"evaluate", Json::object()}}})}};
  text.merge_patch(patch);
  const auto file = std::filesystem::temp_directory_path() /
                    ("qloom_bench_" + std::to_string(getpid()) + ".json");
  std::ofstream(file) << text.dump();
  try {
    pipeline::Pipeline p = pipeline::load(file, {}, registry());
    std::filesystem::remove(file);
    return p;
  } catch (...) {
    std::filesystem::remove(file);
    throw;
  }
}

Json fixed_rule(const std::string& site, const std::string& layer, int fraction_bits, int bits) {
  return {
      {"site", site},
      {"layers", Json::array({layer})},
      {"quantizer", {{"plugin", "fixed_point"}, {"bits", bits}, {"fraction_bits", fraction_bits}}}};
}

float fixed(float x, int fraction_bits, int bits) {
  const double top = std::ldexp(1.0, bits - 1);
  const double code = std::nearbyint(std::ldexp(double{x}, fraction_bits));
  return static_cast<float>(std::ldexp(std::clamp(code, -top, top - 1), -fraction_bits));
}

std::vector<float> fixed(std::vector<float> x, int fraction_bits, int bits) {
  for (float& v : x) v = fixed(v, fraction_bits, bits);
  return x;
}

Bench::Bench(const Json& rules, const Json& patch)
    : pipeline(bench_pipeline(rules, patch)),
      network(network::parse_model(pipeline.model, pipeline.model_where, {8, 8, 2}, kClasses),
              registry(), pipeline.seed),
      batch(gaussian({kBatch, 8, 8, 2}, 11)),
      dlogits({kBatch, kClasses}) {
  settings.learning_rate = 0.125;
  settings.momentum = 0.5;
  for (std::int32_t i = 0; i < kBatch; ++i) labels.push_back(i % kClasses);
  network.plan.fuse(false);  // every value and gradient can be looked at
  lower(placing::Moment{});
  network.parameters.initialise(network.graph.model());
  // Off the round values that no coarse grid would change.
  std::uint64_t stream = 100;
  for (network::Parameter* p : network.parameters.list()) {
    if (p->role == QLOOM_ROLE_WEIGHT) continue;
    const Tensor noise = gaussian(p->value.shape(), stream++, 0.3F);
    for (std::size_t i = 0; i < noise.size(); ++i) p->value[i] += noise[i];
  }
}

void Bench::lower(placing::Moment done) {
  network.lower(placing::place(pipeline, network.graph.model(), registry(), done));
}

const Tensor& Bench::forward(std::uint64_t step) {
  return network.plan.forward(batch, pass_of(step, true));
}

const Tensor& Bench::evaluate() { return network.plan.forward(batch, pass_of(0, false)); }

void Bench::gradients(std::uint64_t step) {
  const Tensor& logits = forward(step);
  layers::softmax_cross_entropy(logits.data(), labels.data(), kBatch, kClasses, dlogits.data());
  network.plan.backward(dlogits);
}

void Bench::update(std::uint64_t step) {
  network.update(settings, pass_of(step, true).phase, step);
}

void Bench::train(std::uint64_t step) {
  gradients(step);
  update(step);
}

network::Node& Bench::node(const std::string& name) {
  for (const auto& n : network.plan.nodes()) {
    if (n->name == name) return *n;
  }
  throw std::out_of_range("no node " + name);
}

network::Node& Bench::input_of(const std::string& name) {
  return *network.plan.nodes()[static_cast<std::size_t>(node(name).inputs.at(0))];
}

network::Parameter& Bench::parameter(const std::string& name) {
  for (network::Parameter* p : network.parameters.list()) {
    if (p->name() == name) return *p;
  }
  throw std::out_of_range("no parameter " + name);
}

sites::SiteQuantizer& Bench::site(const std::string& key) {
  return *network.sites.all().at(site_key(key));
}

contraction::ContractionShape Bench::shape_of(const std::string& layer) {
  const network::Layer& l = *node(layer).layer;
  return l.type->contraction(l, kBatch);
}

std::vector<float> Bench::x(const std::string& layer) {
  return copy(node(layer).input_operand.values, shape_of(layer).x_size());
}

std::vector<float> Bench::w(const std::string& layer) {
  return copy(node(layer).weight_operand.values, shape_of(layer).w_size());
}

std::vector<float> Bench::parameter_gradients(const std::string& except) {
  std::vector<float> all;
  for (const network::Parameter* p : network.parameters.list()) {
    if (p->name() != except) all.insert(all.end(), p->gradient.begin(), p->gradient.end());
  }
  return all;
}

std::vector<float> Bench::parameter_values(const std::string& except) {
  std::vector<float> all;
  for (const network::Parameter* p : network.parameters.list()) {
    if (p->name() != except) all.insert(all.end(), p->value.begin(), p->value.end());
  }
  return all;
}

}  // namespace qloom::test
