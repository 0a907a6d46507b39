// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A contraction among its sites: operands through their quantizers, errors through theirs.
#include <fmt/format.h>

#include "host/json/printable.hpp"
#include "host/network/plan/execution.hpp"
#include "host/registry/calls/call_record.hpp"
#include "host/tensor/error.hpp"

namespace qloom::network {
namespace {

ContractionShape shape_of(const Execution& e, const Node& node) {
  return node.layer->type->contraction(*node.layer, e.batch);
}

/// Runs one contraction of a layer; what it refuses is reported with its place.
template <class Body>
void at_contraction(const char* role, const Layer& layer, Body&& body) try {
  body();
  registry::require_floating_point();
} catch (const RunError& error) {
  throw RunError(fmt::format("{} of \"{}\": {}", role, layer.name, json::printable(error.what())));
}

}  // namespace

void forward_contraction(Execution& e, Node& node) {
  const Node& from = e.node(node.inputs[0]);
  Parameter& weight = *node.weight;
  const bool on = e.pass.rules == Pass::Rules::kOn;
  node.input_operand = on && from.type == Node::Type::kQuantize
                           ? from.site->operand(*from.value)
                           : Operand{.values = from.value->data()};
  node.weight_operand = Operand{.values = weight.value.data()};
  if (e.pass.use_shadows && !weight.shadow.empty()) {
    node.weight_operand.values = weight.shadow.data();
  } else if (on && weight.forward != nullptr) {
    weight.forward->forward(weight.value, weight.quantized, e.pass.phase);
    node.weight_operand = weight.forward->operand(weight.quantized);
  }
  const float* bias = nullptr;
  if (node.bias != nullptr) {
    bias = node.bias->value.data();
    if (e.pass.use_shadows && !node.bias->shadow.empty()) {
      bias = node.bias->shadow.data();
    } else if (on && node.bias->forward != nullptr) {
      node.bias->forward->forward(node.bias->value, node.bias->quantized, e.pass.phase);
      bias = node.bias->quantized.data();
    }
  }
  at_contraction("forward", *node.layer, [&] {
    node.contraction.forward(shape_of(e, node), node.input_operand, node.weight_operand, bias,
                             node.out.data(), e.accumulators->reference(node, 0, e.pass));
  });
}

void backward_contraction(Execution& e, Node& node, Buffer* dy) {
  Node& input = e.node(node.inputs[0]);
  const ContractionShape shape = shape_of(e, node);
  const bool on = e.pass.rules == Pass::Rules::kOn;
  Operand dx_error{.values = dy->tensor.data()}, dw_error = dx_error;
  Buffer *dx_buffer = nullptr, *dw_buffer = nullptr;
  const auto quantize = [&](SiteQuantizer& site, Buffer*& buffer) {
    if (buffer == nullptr) buffer = e.buffers.acquire(node.shape);
    site.forward(dy->tensor, buffer->tensor, e.pass.phase);
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
                                     e.accumulators->reference(node, 2, e.pass));
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
    Buffer* dx = e.buffers.acquire(input.shape);
    at_contraction("input gradient", *node.layer, [&] {
      node.contraction.input_gradient(shape, dx_error, node.weight_operand, dx->tensor.data(),
                                      e.accumulators->reference(node, 1, e.pass));
    });
    e.deliver(input, dx);
  }
  for (Buffer* buffer : {dx_buffer, dw_buffer}) {
    if (buffer != nullptr) e.buffers.release(buffer);
  }
}

}  // namespace qloom::network
