// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What the functions that run nodes share: the nodes and the state of the present pass.
#pragma once

#include <array>
#include <vector>

#include "host/network/pass.hpp"
#include "host/network/plan/accumulators.hpp"
#include "host/network/plan/node.hpp"

namespace qloom::network {

struct Execution {
  Nodes nodes;
  std::uint64_t seed = 0;
  Accumulators* accumulators = nullptr;
  Pass pass;
  std::int64_t batch = 0;
  bool fuses = true;  ///< false: each node in a pass of its own, all gradients are kept
  BufferPool buffers;
  std::vector<Tensor*> run_values;         ///< of the present run: where each node's values go
  std::vector<CodedTensor*> run_codes;     ///< and its codes, where readers take them
  std::vector<const float*> input_values;  ///< of inputs_of()
  std::vector<SampleShape> input_shapes;
  std::array<Tensor, 2> code_numbers;      ///< of codes that the present layer adds
  std::array<CodedTensor, 2> error_codes;  ///< of the present layer's errors, for dx and for dw

  [[nodiscard]] Node& node(int index) const { return *nodes[static_cast<std::size_t>(index)]; }
  [[nodiscard]] layers::Step step() const { return {seed, pass.phase.step, pass.phase.training}; }
  /// The values and shapes that a layer reads.
  [[nodiscard]] layers::Inputs inputs_of(const Node& node);
  /// One buffer with the node's gradient; its addends have one user less.
  Buffer* collect(Node& node);
  /// One more addend; takes over one use of the buffer.
  void deliver(Node& node, Buffer* addend);
};

// runs.cpp: element-wise nodes that follow each other.

/// Do its readers take the codes of a quantize node whose forward has begun, and need no values?
[[nodiscard]] bool hands_on_codes_alone(const Execution& e, const Node& node);
/// Room for the codes of a quantize node whose forward has begun, if readers take them, or null.
CodedTensor* place_codes(Node& node);
/// Does the node work element by element in this pass?
[[nodiscard]] bool is_elementwise(const Execution& e, const Node& node);
/// Does its gradient too?
[[nodiscard]] bool has_elementwise_gradient(const Execution& e, const Node& node);
/// Element-wise nodes from `first` on in one pass; returns how many.
std::size_t forward_run(Execution& e, std::size_t first);
/// Element-wise nodes from `last` downwards in one pass, two with a norm; returns how many.
std::size_t backward_run(Execution& e, std::size_t last);

// contraction_node.cpp

/// Why the sums of a contraction's operands are no integers, where they are none.
[[nodiscard]] std::string without_codes(const Node& node);

// codes.cpp: layers that read codes of an output site.

/// What the node hands on, with its codes where it has them.
[[nodiscard]] Operand handed_on(const Execution& e, const Node& node);
/// After the forward of a layer that chooses, moves or joins: the codes of what it hands on, where
/// its inputs have them.
void forward_codes(Execution& e, Node& node);
/// The forward of a layer that adds codes; false where they have no scale in common.
bool forward_sums(Execution& e, Node& node);

// contraction_node.cpp

void forward_contraction(Execution& e, Node& node);
/// dy stays the caller's.
void backward_contraction(Execution& e, Node& node, Buffer* dy);

}  // namespace qloom::network
