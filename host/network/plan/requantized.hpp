// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include <vector>

#include "host/methods/requantizer.hpp"

namespace qloom::network {

struct Node;

/// A group of layers and the integer steps that take the place of all that lies between its sums
/// and its codes.
struct Requantized {
  Node* start = nullptr;            ///< a contraction, an add, a concat or an average pool
  std::vector<const Node*> behind;  ///< norms and clamps, in order
  methods::Requantizer method;
  bool is_possible = false;       ///< has the method answered for codes and sums of this kind?
  bool acts = false;              ///< did it make the codes of the last forward?
  methods::RequantizeTask task;   ///< of the last derive()
  methods::Requantization steps;  ///< its answer
};

}  // namespace qloom::network
