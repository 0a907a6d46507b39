// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/compile/training/compile_step.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "host/compile/training/step_compiler.hpp"
#include "host/program/fault.hpp"
#include "host/tensor/error.hpp"

namespace qloom::compile {
namespace {

constexpr std::int64_t kElementsToTry = 512;

}  // namespace

StepCompiler::StepCompiler(const Training& training)
    : training_(training),
      nodes_(training.network.plan.nodes()),
      values_(nodes_.size()),
      codes_(nodes_.size()),
      gradients_(nodes_.size()) {}

CompiledStep StepCompiler::run() {
  builder_.program().batch = training_.batch;  // the range of sums over samples follows from it
  builder_.program().seed = training_.seed;
  weights_ = weights_of(training_, refusals_);
  for (std::size_t i = 0; i < nodes_.size(); ++i) values_[i] = forward(*nodes_[i]);
  const Value logits = values_.back();
  if (logits) {
    builder_.program().logits = logits->tensor;
    gradients_.back() = loss_gradient(*logits);
  }
  for (std::size_t i = nodes_.size(); i-- > 0;) {
    const Node& node = *nodes_[i];
    if (gradients_[i] && node.type != Node::Type::kInput) backward(node, *gradients_[i]);
  }
  if (!refusals_.empty()) {
    look_at_the_rest();
    return {{}, std::move(refusals_)};
  }
  CompiledStep compiled{builder_.finished(), {}};
  const std::string fault = step_program::fault_of(compiled.program);
  if (!fault.empty()) throw RunError("the compiled step is none: " + fault);
  return compiled;
}

void StepCompiler::refuse(const std::string& layer, const std::string& reason) {
  const auto is_same = [&](const Refusal& other) {
    return other.layer == layer && other.reason == reason;
  };
  if (std::none_of(refusals_.begin(), refusals_.end(), is_same)) {
    refusals_.push_back({layer, reason, {}});
  }
}

std::size_t StepCompiler::index_of(const Node& node) const {
  const auto found = std::find_if(nodes_.begin(), nodes_.end(),
                                  [&](const auto& other) { return other.get() == &node; });
  return static_cast<std::size_t>(found - nodes_.begin());
}

Shape StepCompiler::shape_of(const Node& node) const {
  return {node.out_shape.height, node.out_shape.width, node.out_shape.channels};
}

Shape StepCompiler::tried_shape(const Node& node) const {
  const std::int64_t size = node.out_shape.size();
  return {(kElementsToTry + size - 1) / size, node.out_shape.height, node.out_shape.width,
          node.out_shape.channels};
}

bool StepCompiler::is_exact(const Node& node, std::size_t sum) const {
  const auto reference = training_.network.accumulators.reference(node, sum, pass());
  return reference.ops == nullptr || reference.ops->is_exact(reference.self) != 0;
}

CompiledStep compile_step(const Training& training) try {
  return StepCompiler(training).run();
} catch (const program::Fault& fault) {
  return {{}, {{"the network", fault.what(), {}}}};
}

}  // namespace qloom::compile
