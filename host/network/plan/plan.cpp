// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/network/plan/plan.hpp"

#include <cstring>
#include <utility>

#include "host/network/parameters.hpp"

namespace qloom::network {

Plan::Plan(Accumulators& accumulators, std::uint64_t seed) {
  e_.accumulators = &accumulators;
  e_.seed = seed;
}

void Plan::set_nodes(Nodes nodes) {
  e_.nodes = std::move(nodes);
  computed_ = 0;
  has_gradients_ = false;
}

std::vector<Node*> Plan::norms() const {
  std::vector<Node*> list;
  for (const auto& node : e_.nodes) {
    if (node->norm != nullptr) list.push_back(node.get());
  }
  return list;
}

std::vector<SiteQuantizer*> Plan::calibrated_sites() const {
  std::vector<SiteQuantizer*> list;
  for (const auto& node : e_.nodes) {
    if (node->type == Node::Type::kQuantize && node->site->passes() > 0) {
      list.push_back(node->site.get());
    }
  }
  return list;
}

void Plan::fuse(bool fuses) {
  e_.fuses = fuses;
  e_.buffers.keep_all(!fuses);
}

const Tensor& Plan::forward(const Tensor& x, const Pass& pass) {
  e_.pass = pass;
  e_.batch = x.shape().at(0);
  for (std::size_t i = 0; i < e_.nodes.size(); ++i) {
    Node& node = *e_.nodes[i];
    node.shape.assign(
        {e_.batch, node.out_shape.height, node.out_shape.width, node.out_shape.channels});
  }
  has_gradients_ = false;
  for (std::size_t i = 0; i < e_.nodes.size();) {
    computed_ = i;
    Node& node = *e_.nodes[i];
    if (node.reads_codes && forward_sums(e_, node)) {
      ++i;
      continue;
    }
    if (is_elementwise(e_, node)) {
      i += forward_run(e_, i);
      continue;
    }
    ++i;
    if (node.type == Node::Type::kInput) {
      node.value = &x;
    } else {
      forward_alone(node);
    }
  }
  computed_ = e_.nodes.size();
  return *e_.nodes.back()->value;
}

/// A node that no run takes: one that hands its input on in this pass, or a whole tensor's layer.
void Plan::forward_alone(Node& node) {
  const Tensor* in = e_.node(node.inputs[0]).value;
  if (node.type == Node::Type::kQuantize) {
    if (e_.pass.rules == Pass::Rules::kObserve && node.site->is_observing()) {
      node.site->observe(*in);
    }
    node.codes.clear();
    node.value = in;
    return;
  }
  if (node.type == Node::Type::kQuantizeError) {
    node.value = in;
    return;
  }
  if (node.layer->type->same_bytes) {
    node.value = in;
    return forward_codes(e_, node);
  }
  node.out.resize(node.shape);
  node.value = &node.out;
  if (node.layer->is_contraction()) return forward_contraction(e_, node);
  node.layer->type->whole.forward(*node.layer, e_.inputs_of(node), node.out.data(), node.places);
  forward_codes(e_, node);
}

void Plan::backward(const Tensor& logits_gradient) {
  e_.buffers.reset();
  for (const auto& node : e_.nodes) node->gradient = {};
  Node& last = *e_.nodes.back();
  Buffer* dy = e_.buffers.acquire(last.shape);
  std::memcpy(dy->tensor.data(), logits_gradient.data(), logits_gradient.size() * sizeof(float));
  e_.deliver(last, dy);
  for (std::size_t i = e_.nodes.size(); i-- > 0;) {
    Node& node = *e_.nodes[i];
    if (node.gradient.empty()) continue;
    if (!e_.fuses) e_.collect(node);
    if (has_elementwise_gradient(e_, node)) {
      i -= backward_run(e_, i) - 1;
    } else {
      backward_layer(node);
    }
  }
  has_gradients_ = true;
}

void Plan::backward_layer(Node& node) {
  Buffer* dy = e_.collect(node);
  if (node.type == Node::Type::kInput) return e_.buffers.release(dy);
  Node& input = e_.node(node.inputs[0]);
  if (node.type == Node::Type::kQuantizeError && e_.pass.rules == Pass::Rules::kOn) {
    return backward_quantize(node, dy);
  }
  if (node.type != Node::Type::kLayer) return e_.deliver(input, dy);  // rules are off
  if (node.layer->is_contraction()) {
    backward_contraction(e_, node, dy);
  } else if (node.layer->type->same_bytes) {
    return backward_same_bytes(input, dy);
  } else {
    const layers::Inputs inputs = e_.inputs_of(node);
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      Node& of = e_.node(node.inputs[i]);
      if (!of.needs_gradient) continue;
      Buffer* dx = e_.buffers.acquire(of.shape);
      node.layer->type->whole.gradient(*node.layer, inputs, node.places, dy->tensor.data(), i,
                                       dx->tensor.data());
      e_.deliver(of, dx);
    }
  }
  e_.buffers.release(dy);
}

/// A site of errors: what comes back goes on quantized.
void Plan::backward_quantize(Node& node, Buffer* dy) {
  Node& input = e_.node(node.inputs[0]);
  if (input.needs_gradient) {
    Buffer* quantized = e_.buffers.acquire(node.shape);
    node.site->forward(dy->tensor, quantized->tensor, e_.pass.phase);
    e_.deliver(input, quantized);
  }
  e_.buffers.release(dy);
}

/// The input's gradient is dy in another shape.
void Plan::backward_same_bytes(Node& input, Buffer* dy) {
  if (!BufferPool::is_writable(*dy) && input.needs_gradient) {
    Buffer* dx = e_.buffers.acquire(input.shape);
    std::memcpy(dx->tensor.data(), dy->tensor.data(), dy->tensor.size() * sizeof(float));
    e_.buffers.release(dy);
    return e_.deliver(input, dx);
  }
  if (BufferPool::is_writable(*dy)) dy->tensor.resize(input.shape);
  e_.deliver(input, dy);
}

std::string Plan::first_non_finite() const {
  for (std::size_t i = 0; i < e_.nodes.size(); ++i) {
    const Node& node = *e_.nodes[i];
    if (node.weight != nullptr && !is_finite(node.weight->value)) return node.weight->name();
    if (i < computed_ && node.value != nullptr && !is_finite(*node.value)) return node.name;
  }
  return "";
}

}  // namespace qloom::network
