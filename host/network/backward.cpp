// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Running the lowered plan backwards.
#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "host/layers/common/elementwise.hpp"
#include "host/network/at_contraction.hpp"
#include "host/network/network.hpp"
#include "host/tensor/error.hpp"
#include "host/tensor/parallel.hpp"

namespace qloom::network {

void Network::fuse(bool fuses) {
  fuses_ = fuses;
  buffers_.keep_all(!fuses);
}

void Network::deliver(Node& node, Buffer* addend) {
  Gradient& g = node.gradient;
  if (!node.needs_gradient) return buffers_.release(addend);
  if (g.addends[1] != nullptr) g = {{collect(node), nullptr}};
  g.addends[g.empty() ? 0 : 1] = addend;
}

Buffer* Network::collect(Node& node) {
  Buffer *a = node.gradient.addends[0], *b = node.gradient.addends[1];
  if (fuses_) node.gradient = {};
  if (b == nullptr) return a;
  if (!BufferPool::is_writable(*a)) std::swap(a, b);
  Buffer* sum = BufferPool::is_writable(*a) ? BufferPool::share(a) : buffers_.acquire(node.shape);
  for_each_tile(sum->tensor.size(), [&](std::uint64_t first, std::uint64_t n) {
    layers::add(a->tensor.data() + first, b->tensor.data() + first, sum->tensor.data() + first, n);
  });
  buffers_.release(a);
  buffers_.release(b);
  if (!fuses_) node.gradient = {{sum, nullptr}};
  return sum;
}

void Network::backward(const Tensor& logits_gradient) {
  buffers_.reset();
  for (const auto& node : nodes_) node->gradient = {};
  Node& last = *nodes_.back();
  Buffer* dy = buffers_.acquire(last.shape);
  std::memcpy(dy->tensor.data(), logits_gradient.data(), logits_gradient.size() * sizeof(float));
  deliver(last, dy);
  for (std::size_t i = nodes_.size(); i-- > 0;) {
    Node& node = *nodes_[i];
    if (node.gradient.empty()) continue;
    if (!fuses_) collect(node);
    if (has_elementwise_gradient(node)) {
      i -= backward_run(i) - 1;
    } else {
      backward_layer(node);
    }
  }
  has_gradients_ = true;
}

void Network::backward_layer(Node& node) {
  Buffer* dy = collect(node);
  if (node.type == Node::Type::kInput) return buffers_.release(dy);
  Node& input = *nodes_[static_cast<std::size_t>(node.inputs[0])];
  if (node.type == Node::Type::kQuantizeError && pass_.rules == Pass::Rules::kOn) {
    return backward_quantize(node, dy);
  }
  if (node.type != Node::Type::kLayer) return deliver(input, dy);  // rules are off
  if (node.layer->is_contraction()) {
    backward_contraction(node, dy);
  } else if (node.layer->type->same_bytes) {
    return backward_same_bytes(input, dy);
  } else {
    const layers::Inputs inputs = inputs_of(node);
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      Node& of = *nodes_[static_cast<std::size_t>(node.inputs[i])];
      if (!of.needs_gradient) continue;
      Buffer* dx = buffers_.acquire(of.shape);
      node.layer->type->whole.gradient(*node.layer, inputs, node.places, dy->tensor.data(), i,
                                       dx->tensor.data());
      deliver(of, dx);
    }
  }
  buffers_.release(dy);
}

/// A site of errors: what comes back goes on quantized.
void Network::backward_quantize(Node& node, Buffer* dy) {
  Node& input = *nodes_[static_cast<std::size_t>(node.inputs[0])];
  if (input.needs_gradient) {
    Buffer* quantized = buffers_.acquire(node.shape);
    node.site->forward(dy->tensor, quantized->tensor, pass_.phase);
    deliver(input, quantized);
  }
  buffers_.release(dy);
}

/// The input's gradient is dy in another shape.
void Network::backward_same_bytes(Node& input, Buffer* dy) {
  if (!BufferPool::is_writable(*dy) && input.needs_gradient) {
    Buffer* dx = buffers_.acquire(input.shape);
    std::memcpy(dx->tensor.data(), dy->tensor.data(), dy->tensor.size() * sizeof(float));
    buffers_.release(dy);
    return deliver(input, dx);
  }
  if (BufferPool::is_writable(*dy)) dy->tensor.resize(input.shape);
  deliver(input, dy);
}

void Network::backward_contraction(Node& node, Buffer* dy) {
  Node& input = *nodes_[static_cast<std::size_t>(node.inputs[0])];
  const ContractionShape shape = contraction_shape(node);
  const bool on = pass_.rules == Pass::Rules::kOn;
  Operand dx_error{.values = dy->tensor.data()}, dw_error = dx_error;
  Buffer *dx_buffer = nullptr, *dw_buffer = nullptr;
  const auto quantize = [&](SiteQuantizer& site, Buffer*& buffer) {
    if (buffer == nullptr) buffer = buffers_.acquire(node.shape);
    site.forward(dy->tensor, buffer->tensor, pass_.phase);
    (&buffer == &dx_buffer ? node.error_dx_value : node.error_dw_value) = &buffer->tensor;
    return site.operand(buffer->tensor);
  };
  if (on && node.error != nullptr && (node.error_dx == nullptr || node.error_dw == nullptr)) {
    dx_error = dw_error = quantize(*node.error, dx_buffer);
  }
  if (on && node.error_dw != nullptr) dw_error = quantize(*node.error_dw, dw_buffer);

  Parameter& weight = *node.weight;
  at_contraction("weight gradient", *node.layer, [&] {
    node.contraction.weight_gradient(shape, node.input_operand, dw_error, weight.gradient.data(),
                                     accumulator(node, 2));
  });
  if (on && weight.forward != nullptr) {
    weight.forward->backward(weight.value, weight.gradient, weight.gradient);
  }
  if (node.bias != nullptr) {
    bias_gradient(shape, dw_error.values, node.bias->gradient.data());
    if (on && node.bias->forward != nullptr) {
      node.bias->forward->backward(node.bias->value, node.bias->gradient, node.bias->gradient);
    }
  }
  if (input.needs_gradient) {
    // error.dx takes the shared error's place: the weight gradient has read it
    if (on && node.error_dx != nullptr) dx_error = quantize(*node.error_dx, dx_buffer);
    Buffer* dx = buffers_.acquire(input.shape);
    at_contraction("input gradient", *node.layer, [&] {
      node.contraction.input_gradient(shape, dx_error, node.weight_operand, dx->tensor.data(),
                                      accumulator(node, 1));
    });
    deliver(input, dx);
  }
  for (Buffer* buffer : {dx_buffer, dw_buffer}) {
    if (buffer != nullptr) buffers_.release(buffer);
  }
}

}  // namespace qloom::network
