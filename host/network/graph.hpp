// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What the model says, and which of its norms are folded away.
#pragma once

#include <vector>

#include "host/data/arrays/array_reader.hpp"
#include "host/network/model.hpp"

namespace qloom::network {

class Graph {
 public:
  explicit Graph(Model model);

  [[nodiscard]] const Model& model() const { return model_; }
  [[nodiscard]] const Layer& layer(int index) const {
    return model_.layers[static_cast<std::size_t>(index)];
  }
  [[nodiscard]] bool is_removed(int layer) const {
    return is_removed_[static_cast<std::size_t>(layer)];
  }
  /// The contraction whose only reader is this norm layer, or -1.
  [[nodiscard]] int producer_of(int norm_layer) const;
  /// The norm hands its input on. Returns its producer, which has a bias from now on.
  const Layer& remove_norm(int norm_layer);

  void save(data::Arrays& all) const;
  /// Norms that are removed in a checkpoint and not here.
  [[nodiscard]] std::vector<int> removed_in(data::ArrayReader& reader) const;

 private:
  Model model_;
  std::vector<bool> is_removed_;
};

}  // namespace qloom::network
