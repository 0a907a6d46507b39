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

/// Does this pass see the parameter through its quantizer?
bool sees_quantized(const Execution& e, const Parameter& parameter) {
  return e.pass.rules == Pass::Rules::kOn && acting(parameter, e.pass.phase) != nullptr;
}

/// The parameter as a forward pass sees it: averaged, quantized or as it is.
Operand seen(const Execution& e, Parameter& parameter) {
  if (e.pass.use_shadows && !parameter.shadow.empty()) return {.values = parameter.shadow.data()};
  if (!sees_quantized(e, parameter)) {
    return {.values = parameter.value.data()};
  }
  SiteQuantizer& site = *parameter.forward;
  const bool is_weight = parameter.role == QLOOM_ROLE_WEIGHT;
  site.tell(stored_of(parameter));
  site.begin_forward(parameter.value, e.pass.phase);
  parameter.codes.clear();
  site.end_forward(parameter.value, &parameter.quantized,
                   is_weight && site.is_coded() ? &parameter.codes : nullptr);
  return site.operand(parameter.quantized.data(), parameter.codes);
}

/// Has one of the operands no codes yet, because its first values are awaited?
bool awaits_values(const Execution& e, const Node& node) {
  const Node& from = e.node(node.inputs[0]);
  const auto waits = [](const SiteQuantizer* site) {
    return site != nullptr && site->is_waiting();
  };
  return waits(from.site.get()) || waits(node.weight->forward.get());
}

}  // namespace

std::string without_codes(const Node& node) {
  const Operand &x = node.input_operand, &w = node.weight_operand;
  const char* const repair = "an affine quantizer without a scale along the sum gives them";
  if (!w.codes) return fmt::format("the weights have no such codes: {}", repair);
  if (!x.codes || x.scale_count != 1) return fmt::format("the input has no such codes: {}", repair);
  const bool is_wide = std::max(x.largest_code(), w.largest_code()) > contraction::kLargestCode;
  if (is_wide) return fmt::format("the codes are too wide: {}", repair);
  return fmt::format("it pads with {}, which is no code of its input at scale {}", x.pad, *x.scale);
}

namespace {

/// Integers of the bias at the scale of the sums, where its quantizer gives them; its values else.
/// Behind the operands.
void see_bias(const Execution& e, Node& node) {
  node.bias_integers.clear();
  node.bias_values = nullptr;
  if (node.bias == nullptr) return;
  Parameter& bias = *node.bias;
  const bool is_averaged = e.pass.use_shadows && !bias.shadow.empty();
  const bool has_products =
      !is_averaged && sees_quantized(e, bias) && bias.forward->wants_products();
  if (!has_products) {
    node.bias_values = seen(e, bias).values;
    return;
  }
  if (!contraction::sums_are_integers(shape_of(e, node), node.input_operand, node.weight_operand)) {
    if (!awaits_values(e, node)) {
      throw RunError(
          fmt::format("quantizer \"{}\" needs sums of integer codes of one scale, but {}",
                      bias.forward->spec().quantizer.method->id, without_codes(node)));
    }
    node.bias_values = bias.value.data();
    return;
  }
  bias.forward->tell_products(contraction::product_scales(node.input_operand, node.weight_operand,
                                                          node.out_shape.channels));
  node.bias_values = seen(e, bias).values;
  std::vector<std::int32_t> codes;
  bias.forward->encode(bias.value, codes);
  node.bias_integers.assign(codes.begin(), codes.end());
}

/// dL/dy as one of the two products of the way back reads it.
struct Error {
  Operand operand;
  Buffer* values = nullptr;  ///< where it has values of its own
};

/// Quantizes dL/dy at a site. `codes` must live until the products have run.
Error quantize(Execution& e, const Node& node, SiteQuantizer& site, const Tensor& dy,
               CodedTensor& codes) {
  Error error;
  site.begin_forward(dy, e.pass.phase);
  codes.clear();
  const bool is_coded = site.is_coded();
  if (!e.fuses || !site.is_coded_alone()) error.values = e.buffers.acquire(node.shape);
  Tensor* values = error.values == nullptr ? nullptr : &error.values->tensor;
  site.end_forward(dy, values, is_coded ? &codes : nullptr);
  error.operand = site.operand(values == nullptr ? nullptr : values->data(), codes);
  return error;
}

/// Are there integer sums, exact ones or those of an integer register?
bool has_sums(const Execution& e, const Node& node, const AccumulatorRef& accumulator) {
  const bool adds_integers = accumulator.ops == nullptr ||
                             accumulator.ops->is_exact(accumulator.self) != 0 ||
                             (accumulator.ops->caps & QLOOM_ACCUMULATOR_INTEGER) != 0;
  return adds_integers &&
         contraction::sums_are_integers(shape_of(e, node), node.input_operand, node.weight_operand);
}

/// The two exact sums of weights that have no one scale.
void forward_planes(const Execution& e, Node& node, const AccumulatorRef& accumulator) {
  const Parameter& weight = *node.weight;
  const Operand& x = node.input_operand;
  const bool is_exact =
      accumulator.ops == nullptr || accumulator.ops->is_exact(accumulator.self) != 0;
  if (!is_exact || !x.codes || x.scale_count != 1) return;
  if (!sees_quantized(e, weight) || (e.pass.use_shadows && !weight.shadow.empty())) return;
  const qloom_encoding encoding = weight.forward->encoding();
  const auto outputs = static_cast<std::uint64_t>(node.out_shape.channels);
  if (!is_of_planes(encoding, outputs)) return;
  if (!node.planes) node.planes = std::make_unique<WeightPlanes>();
  node.planes->take(encoding, weight.quantized, outputs);
  const ContractionShape shape = shape_of(e, node);
  if (!contraction::sums_are_integers(shape, x, node.planes->weights[0])) return;
  node.planes->forward(shape, x);
}

}  // namespace

void forward_contraction(Execution& e, Node& node) {
  const Node& from = e.node(node.inputs[0]);
  node.input_operand = handed_on(e, from);
  node.weight_operand = seen(e, *node.weight);
  at_contraction("bias", *node.layer, [&] { see_bias(e, node); });
  const AccumulatorRef accumulator = e.accumulators->reference(node, 0, e.pass);
  node.sums.clear();
  if (node.planes) node.planes->are_there = false;
  if (node.makes_sums && has_sums(e, node, accumulator)) node.sums.resize(node.out.size());
  at_contraction("forward", *node.layer, [&] {
    if (node.makes_sums && !node.weight_operand.codes) forward_planes(e, node, accumulator);
    node.contraction.forward(shape_of(e, node), node.input_operand, node.weight_operand,
                             node.added(), node.out.data(), accumulator,
                             node.sums.empty() ? nullptr : node.sums.data());
  });
}

namespace {

/// dL/d(parameter) before its quantizer becomes that behind it.
void through_quantizer(const Execution& e, Parameter& parameter) {
  if (!sees_quantized(e, parameter)) return;
  parameter.forward->backward(parameter.value, parameter.gradient, parameter.gradient);
}

void weight_gradients(Execution& e, Node& node, const Operand& error) {
  const ContractionShape shape = shape_of(e, node);
  at_contraction("weight gradient", *node.layer, [&] {
    node.contraction.weight_gradient(shape, node.input_operand, error, node.weight->gradient.data(),
                                     e.accumulators->reference(node, 2, e.pass));
  });
  through_quantizer(e, *node.weight);
  if (node.bias == nullptr) return;
  const bool is_as_stored = node.bias->forward != nullptr && node.bias->forward->wants_products() &&
                            node.bias_integers.empty();
  bias_gradient(shape, error, node.bias->gradient.data());
  if (!is_as_stored) through_quantizer(e, *node.bias);
}

}  // namespace

void backward_contraction(Execution& e, Node& node, Buffer* dy) {
  Node& input = e.node(node.inputs[0]);
  const bool on = e.pass.rules == Pass::Rules::kOn;
  const auto through = [&](SiteQuantizer* site, CodedTensor& codes) {
    if (on && site != nullptr) return quantize(e, node, *site, dy->tensor, codes);
    return Error{.operand = {.values = dy->tensor.data()}};
  };
  const auto release = [&e](Error& error) {
    if (error.values != nullptr) e.buffers.release(error.values);
  };
  const bool has_shared = node.error_dx == nullptr || node.error_dw == nullptr;
  Error shared = through(has_shared ? node.error.get() : nullptr, e.error_codes[0]);
  Error own = through(node.error_dw.get(), e.error_codes[1]);
  node.dx_error = shared.operand;
  node.dw_error = node.error_dw != nullptr ? own.operand : shared.operand;
  weight_gradients(e, node, node.dw_error);
  release(own);
  if (input.needs_gradient) {
    if (on && node.error_dx != nullptr) {  // the weight gradient has read the shared error
      release(shared);
      shared = through(node.error_dx.get(), e.error_codes[0]);
      node.dx_error = shared.operand;
    }
    Buffer* dx = e.buffers.acquire(input.shape);
    at_contraction("input gradient", *node.layer, [&] {
      node.contraction.input_gradient(shape_of(e, node), node.dx_error, node.weight_operand,
                                      dx->tensor.data(),
                                      e.accumulators->reference(node, 1, e.pass));
    });
    e.deliver(input, dx);
  }
  release(shared);
  node.dx_error.codes = node.dw_error.codes = {};  // their memory serves every layer
}

}  // namespace qloom::network
