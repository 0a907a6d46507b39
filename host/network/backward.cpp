// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Running the lowered plan backwards.
#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "host/network/layer_calls.hpp"
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
  auto [a, b] = node.gradient.addends;
  if (fuses_) node.gradient = {};
  if (b == nullptr) return a;
  if (!BufferPool::is_writable(*a)) std::swap(a, b);
  Buffer* sum = BufferPool::is_writable(*a) ? BufferPool::share(a) : buffers_.acquire(node.shape);
  for_each_tile(sum->tensor.size(), [&](std::uint64_t first, std::uint64_t n) {
    add(a->tensor.data() + first, b->tensor.data() + first, sum->tensor.data() + first, n);
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
    if (is_pointwise(node)) {
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
    if (input.needs_gradient) {
      Buffer* quantized = buffers_.acquire(node.shape);
      node.site->forward(dy->tensor, quantized->tensor, pass_.phase);
      deliver(input, quantized);
    }
    return buffers_.release(dy);
  }
  if (node.type != Node::Type::kLayer) return deliver(input, dy);  // rules are off
  const Layer& layer = *node.layer;
  const auto gradient_of = [&](Node& of, const auto& compute) {
    if (!of.needs_gradient) return;
    Buffer* dx = buffers_.acquire(of.shape);
    compute(dx->tensor.data());
    deliver(of, dx);
  };
  switch (layer.type) {
    case LayerType::kConv:
    case LayerType::kDense:
      backward_contraction(node, dy);
      break;
    case LayerType::kMaxPool:
      gradient_of(input, [&](float* dx) {
        max_pool_gradient(pool_shape(layer, batch_), dy->tensor.data(), node.argmax.data(), dx);
      });
      break;
    case LayerType::kAveragePool:
    case LayerType::kGlobalPool:
      gradient_of(input, [&](float* dx) {
        average_pool_gradient(pool_shape(layer, batch_), dy->tensor.data(), dx);
      });
      break;
    case LayerType::kConcat: {
      std::int64_t offset = 0;
      const std::int64_t rows = batch_ * layer.out.height * layer.out.width;
      for (const int i : node.inputs) {
        Node& part = *nodes_[static_cast<std::size_t>(i)];
        gradient_of(part, [&](float* dx) {
          concat_part_gradient(dy->tensor.data(), rows, part.out_shape.channels, dx,
                               layer.out.channels, offset);
        });
        offset += part.out_shape.channels;
      }
      break;
    }
    case LayerType::kFlatten:  // the same bytes in another shape
      if (BufferPool::is_writable(*dy)) {
        dy->tensor.resize(input.shape);
        return deliver(input, dy);
      }
      gradient_of(input, [&](float* dx) {
        std::memcpy(dx, dy->tensor.data(), dy->tensor.size() * sizeof(float));
      });
      break;
    case LayerType::kNorm:
    case LayerType::kRelu:
    case LayerType::kRelu6:
    case LayerType::kAdd:  // in a run of its own (runs.cpp)
      throw RunError(fmt::format("layer \"{}\" has no backward pass outside a run", node.name));
  }
  buffers_.release(dy);
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
