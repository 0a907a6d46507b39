// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A small network under the rules of a pipeline text, one training step at a time.
#pragma once

#include <string>
#include <vector>

#include "host/network/network.hpp"
#include "host/pipeline/pipeline.hpp"
#include "host/placing/placing.hpp"
#include "tests/support/method.hpp"

namespace qloom::test {

/// Two contractions read the tensor relu2; a norm, every kind of contraction, an add.
Json bench_model();

/// A pipeline with these rules and the bench's model, read as `qloom run` reads it. `patch`
/// (RFC 7396) changes the rest.
pipeline::Pipeline bench_pipeline(const Json& rules, const Json& patch = Json::object());

/// {"site": site, "layers": [layer], "quantizer": s<bits>.<fraction_bits>}
Json fixed_rule(const std::string& site, const std::string& layer, int fraction_bits,
                int bits = 24);
/// What s<bits>.<fraction_bits> makes of x: 2^-f clamp(round half even(x 2^f)).
float fixed(float x, int fraction_bits, int bits = 24);
std::vector<float> fixed(std::vector<float> x, int fraction_bits, int bits = 24);

/// "weight/conv1" as the network keeps it.
inline sites::SiteKey site_key(const std::string& text) {
  return sites::SiteKey::parse(text).value();
}

/// The network on one batch of 6 random samples of 8 x 8 x 2 and 5 classes. More than twelve
/// functions: the parts of a step, and what tests look at after each.
class Bench {
 public:
  static constexpr std::int64_t kBatch = 6, kClasses = 5;

  explicit Bench(const Json& rules, const Json& patch = Json::object());

  /// Places the rules for this number of done epochs, or this moment.
  void lower(std::uint64_t epochs_done) { lower(placing::Moment{epochs_done, 0}); }
  void lower(placing::Moment done);
  const Tensor& forward(std::uint64_t step = 0);
  const Tensor& evaluate();
  /// forward, loss, backward.
  void gradients(std::uint64_t step = 0);
  /// gradients, then SGD with rate 0.125 and momentum 0.5 (no product of the update is rounded
  /// differently by order).
  void train(std::uint64_t step = 0);
  void update(std::uint64_t step = 0);

  network::Node& node(const std::string& name);
  /// The node that `name` reads.
  network::Node& input_of(const std::string& name);
  network::Parameter& parameter(const std::string& name);
  sites::SiteQuantizer& site(const std::string& key);
  [[nodiscard]] contraction::ContractionShape shape_of(const std::string& layer);

  /// The three operands of a contraction in the last step: input, weight, and dL/dy of both uses.
  std::vector<float> x(const std::string& layer);
  std::vector<float> w(const std::string& layer);
  std::vector<float> y(const std::string& layer) { return values(*node(layer).value); }
  /// dL/dy as it reached the layer, unquantized.
  std::vector<float> dy(const std::string& layer) { return values(node(layer).gradient.value()); }
  /// dL/dy as the layer's input gradient read it.
  std::vector<float> error(const std::string& layer) {
    const float* e = node(layer).dx_error.values;
    return {e, e + element_count(node(layer).shape)};
  }
  /// Gradients of all parameters in one row, but those of `except`.
  std::vector<float> parameter_gradients(const std::string& except = "");
  std::vector<float> parameter_values(const std::string& except = "");

  network::OptimizerSettings settings;
  pipeline::Pipeline pipeline;
  network::Network network;
  Tensor batch, dlogits;
  std::vector<std::int32_t> labels;
};

}  // namespace qloom::test
