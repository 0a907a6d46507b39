// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "tests/benchmarks/stepper.hpp"

#include <cstdio>
#include <filesystem>
#include <fstream>

#include <unistd.h>

#include "host/layers/common/losses.hpp"
#include "host/placing/placing.hpp"
#include "host/tensor/error.hpp"
#include "host/tensor/random.hpp"
#include "tests/benchmarks/products.hpp"

namespace qloom::bench {
namespace {

using json::Json;

network::SampleShape parse_shape(const std::string& text) {
  long h = 0, w = 0, c = 0;
  if (std::sscanf(text.c_str(), "%ldx%ldx%ld", &h, &w, &c) != 3) {
    throw InputError("input: \"" + text + "\", expected for instance 32x32x3");
  }
  return {h, w, c};
}

/// A pipeline around the rules, so that they are read as `qloom run` reads them.
pipeline::Pipeline pipeline_of(const std::string& model, const std::string& rules,
                               const registry::Registry& registry) {
  Json text = Json::parse(std::ifstream(rules));
  text["data"] = {{"dataset", "fashion-mnist"}};
  text["model"] = {{"file", std::filesystem::absolute(model).string()}};
  text["stages"] = Json::array({Json{{"train", {{"epochs", 1}}}}});
  const auto file =
      std::filesystem::temp_directory_path() / ("qloom_step_" + std::to_string(getpid()) + ".json");
  std::ofstream(file) << text.dump();
  pipeline::Pipeline p = pipeline::load(file, {}, registry);
  std::filesystem::remove(file);
  return p;
}

}  // namespace

Stepper::Stepper(const StepperOptions& options, const std::string& rules,
                 const registry::Registry& registry)
    : pipeline_(pipeline_of(options.model, rules, registry)),
      network_(network::parse_model(pipeline_.model, pipeline_.model_where,
                                    parse_shape(options.input), options.classes),
               registry, 1),
      gradient_({options.batch, options.classes}) {
  const network::SampleShape in = parse_shape(options.input);
  batch_.resize({options.batch, in.height, in.width, in.channels});
  for (std::size_t i = 0; i < batch_.size(); ++i) {
    batch_[i] = 2.0F * uniform(static_cast<std::uint32_t>(i * 2654435761U)) - 1.0F;
  }
  for (std::int64_t i = 0; i < options.batch; ++i) {
    labels_.push_back(static_cast<std::int32_t>(i * 7 % options.classes));
  }
  settings_.learning_rate = 0.01;
  settings_.momentum = 0.9;
  settings_.weight_decay = 5e-4;
  network_.lower(placing::place(pipeline_, network_.graph.model(), registry, {}));
  network_.parameters.initialise(network_.graph.model());
}

void Stepper::step() {
  network::Pass pass;
  pass.phase = {count_, 0, true, settings_.learning_rate};
  pass.norms_train = true;
  const Tensor& logits = network_.plan.forward(batch_, pass);
  layers::softmax_cross_entropy(logits.data(), labels_.data(), gradient_.shape()[0],
                                gradient_.shape()[1], gradient_.data());
  network_.plan.backward(gradient_);
  network_.update(settings_, pass.phase, count_++);
}

double Stepper::products() const {
  double sum = 0;
  for (const network::Layer& layer : network_.graph.model().layers) {
    if (!layer.is_contraction()) continue;
    const contraction::ContractionShape c = layer.type->contraction(layer, 1);
    const double of_sample = static_cast<double>(
        c.in_c / c.groups * c.out_c * taps(c.in_h, c.out_h(), c.kernel_h, c.stride_h, c.pad_top) *
        taps(c.in_w, c.out_w(), c.kernel_w, c.stride_w, c.pad_left));
    const int roles = layer.inputs.front() < 0 ? 2 : 3;  // nothing reads the images' gradient
    sum += roles * static_cast<double>(batch_.shape()[0]) * of_sample;
  }
  return sum;
}

}  // namespace qloom::bench
