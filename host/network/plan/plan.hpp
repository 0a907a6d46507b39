// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The lowered nodes and how they run. The same nodes serve training, calibration and evaluation.
#pragma once

#include <string>
#include <vector>

#include "host/network/plan/execution.hpp"

namespace qloom::network {

class Plan {
 public:
  Plan(Accumulators& accumulators, std::uint64_t seed);
  Plan(const Plan&) = delete;  // nodes point to each other's values
  Plan& operator=(const Plan&) = delete;

  void set_nodes(Nodes nodes);
  [[nodiscard]] const Nodes& nodes() const { return e_.nodes; }
  /// The nodes with a norm.
  [[nodiscard]] std::vector<Node*> norms() const;
  /// Sites with ranges to calibrate, in node order.
  [[nodiscard]] std::vector<SiteQuantizer*> calibrated_sites() const;

  /// x is (batch, height, width, channels); returns the logits (batch, classes).
  const Tensor& forward(const Tensor& x, const Pass& pass);
  /// From dL/dlogits: the parameters' gradients (overwritten) and the quantizers' learned ones.
  void backward(const Tensor& logits_gradient);
  /// false: every layer and quantizer runs in a pass of its own, and all gradients of the last
  /// backward() stay in nodes()[i]->gradient. The same bits as with true, the default.
  void fuse(bool fuses);

  /// Of the last forward().
  [[nodiscard]] const Pass& last_pass() const { return e_.pass; }
  void set_last_phase(const Phase& phase) { e_.pass.phase = phase; }
  /// Has backward() got through since the last forward()?
  [[nodiscard]] bool has_gradients() const { return has_gradients_; }
  /// Name of the first node, in order, whose weight or values are not all finite, or "". Only what
  /// the last pass got to: other buffers hold anything.
  [[nodiscard]] std::string first_non_finite() const;

 private:
  void forward_alone(Node& node);
  void backward_layer(Node& node);
  void backward_quantize(Node& node, Buffer* dy);
  void backward_same_bytes(Node& input, Buffer* dy);

  Execution e_;
  std::size_t computed_ = 0;  ///< nodes whose values are those of the last forward()
  bool has_gradients_ = false;
};

}  // namespace qloom::network
