// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/compile/simulate.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include <fmt/format.h>

#include "host/layers/common/pool.hpp"
#include "host/tensor/error.hpp"

namespace qloom::compile {
namespace {

using program::Values;

/// The integer sums of a contraction that has run, by the means by which it ran.
Values sums_of(const Node& node, const contraction::AccumulatorRef& accumulator) {
  const std::int64_t batch = node.shape[0];
  Values sums(node.out.size());
  Tensor y(node.shape);
  contraction::Contraction again;
  again.forward(node.layer->type->contraction(*node.layer, batch), node.input_operand,
                node.weight_operand, node.added(), y.data(), accumulator, sums.data());
  if (std::memcmp(y.data(), node.out.data(), y.size() * sizeof(float)) != 0) {
    throw RunError(fmt::format("\"{}\": its sums give other values than the simulation has",
                               node.layer->name));
  }
  return sums;
}

Values codes_of(const Source& source, const network::Phase& phase) {
  Tensor values = *source.node->value;
  const std::int64_t channels = source.node->out_shape.channels;
  for (const Node* node : source.behind) {
    pass_node(*node, static_cast<std::int64_t>(values.size()) / channels, channels, values.data());
  }
  std::vector<std::int32_t> codes;
  encode(*source.site, values, phase, codes);
  return {codes.begin(), codes.end()};
}

/// The codes whose values a node hands on, at the tensor's scales.
Values handed_by(const Node& node, const program::Tensor& tensor) {
  const std::vector<double>& scale = tensor.scale;
  Values codes;
  codes.reserve(node.value->size());
  for (const float value : *node.value) {
    const double unit = scale[codes.size() % scale.size()];
    codes.push_back(std::llrint(double{value} / unit) + tensor.zero_point);
  }
  return codes;
}

/// The sums of a pool's windows, of those that stand for one number of elements.
Values window_sums(const Node& node) {
  const std::vector<std::int64_t> multiples =
      layers::window_multiples(layers::pool_shape(*node.layer, 1));
  const auto channels = static_cast<std::size_t>(node.out_shape.channels);
  Values sums = node.sums;
  for (std::size_t i = 0; i < sums.size(); ++i)
    sums[i] /= multiples[i / channels % multiples.size()];
  return sums;
}

/// Index of the largest value of each sample, the smallest among equals.
Values classes_of(const Node& node) {
  const auto batch = static_cast<std::size_t>(node.shape[0]);
  const std::size_t classes = node.value->size() / batch;
  Values largest;
  for (std::size_t n = 0; n < batch; ++n) {
    const float* row = node.value->data() + n * classes;
    largest.push_back(std::max_element(row, row + classes) - row);
  }
  return largest;
}

}  // namespace

std::vector<Values> simulated(const Compiled& compiled, network::Network& network) {
  const network::Phase& phase = network.plan.last_pass().phase;
  std::vector<Values> tensors;
  for (std::size_t i = 0; i < compiled.sources.size(); ++i) {
    const Source& source = compiled.sources[i];
    switch (source.what) {
      case Source::What::kBytes:
      case Source::What::kLogits:
        tensors.emplace_back();
        break;
      case Source::What::kSums:
        tensors.push_back(sums_of(*source.node, network.accumulators.reference(
                                                    *source.node, 0, network.plan.last_pass())));
        break;
      case Source::What::kPlane:
        tensors.push_back(source.node->planes->sums[source.plane]);
        break;
      case Source::What::kHanded:
        tensors.push_back(handed_by(*source.node, compiled.program.tensors[i]));
        break;
      case Source::What::kOwnSums:
        tensors.push_back(source.node->sums);
        break;
      case Source::What::kWindows:
        tensors.push_back(window_sums(*source.node));
        break;
      case Source::What::kCodes:
        tensors.push_back(codes_of(source, phase));
        break;
      case Source::What::kClass:
        tensors.push_back(classes_of(*source.node));
        break;
    }
  }
  return tensors;
}

}  // namespace qloom::compile
