// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "host/compile/training/compile_step.hpp"
#include "host/compile/training/weights.hpp"
#include "host/step_program/builder.hpp"

namespace qloom::compile {

/// Goes through the nodes forward, then back.
class StepCompiler {
 public:
  explicit StepCompiler(const Training& training);
  CompiledStep run();

 private:
  using Section = step_program::Section;
  using Kind = step_program::Kind;
  using Op = step_program::Op;
  using Held = step_program::Held;

  /// The value of a node, or nothing where a refusal has said why.
  using Value = std::optional<Held>;

  // forward.cpp
  Value forward(const Node& node);
  Value forward_quantize(const Node& node);
  Value forward_contraction(const Node& node);
  Value forward_pool(const Node& node);
  Value forward_elementwise(const Node& node);
  Value forward_norm(const Node& node);
  Value weight_codes(const Node& node);

  // backward.cpp
  void backward(const Node& node, Held gradient);
  struct Errors {
    Value dx, dw;
  };
  Errors errors_of(const Node& node, Held gradient);
  bool passes_weights(const Node& node);
  void backward_contraction(const Node& node, Held gradient);
  void backward_quantize(const Node& node, Held gradient);
  void backward_norm(const Node& node, Held gradient);
  void backward_elementwise(const Node& node, Held gradient);
  void backward_pool(const Node& node, Held gradient);
  Value loss_gradient(Held logits);
  [[nodiscard]] bool is_label_difference(int exponent, steps::Interval range) const;
  void refuse_loss();
  void refuse_error(const SiteQuantizer& site, const Node& node);
  void look_at_the_rest();
  /// dy behind a quantizer of errors; nothing where it has no integer form.
  Value quantized_error(SiteQuantizer& site, const Node& node, Held gradient);
  /// The gradient where `of`, the values v, are in the interval; 0 elsewhere.
  Held masked(Held gradient, Held of, steps::Interval passing);
  void add_update(const Node& node, Held sums);
  void deliver(const Node& node, Held gradient);

  /// Said once where two nodes find the same.
  void refuse(const std::string& layer, const std::string& reason);
  [[nodiscard]] const Node& input_of(const Node& node) const {
    return *nodes_[static_cast<std::size_t>(node.inputs[0])];
  }
  [[nodiscard]] std::size_t index_of(const Node& node) const;
  [[nodiscard]] Value& value_of(const Node& node) { return values_[index_of(node)]; }
  [[nodiscard]] Shape shape_of(const Node& node) const;
  /// The shape of a tensor there with so many samples that it has enough elements to try.
  [[nodiscard]] Shape tried_shape(const Node& node) const;
  [[nodiscard]] network::Phase phase() const { return pass().phase; }
  [[nodiscard]] const network::Pass& pass() const { return training_.network.plan.last_pass(); }
  [[nodiscard]] bool is_exact(const Node& node, std::size_t sum) const;

  const Training& training_;
  const network::Nodes& nodes_;
  step_program::Builder builder_;
  std::vector<Refusal> refusals_;
  WeightsByLayer weights_;
  std::vector<Value> values_;     ///< of each node
  std::vector<Value> codes_;      ///< weights' codes of each contraction
  std::vector<Value> gradients_;  ///< of each node
  bool has_images_ = false;
};

}  // namespace qloom::compile
