// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "host/network/model.hpp"
#include "host/network/names.hpp"
#include "host/network/norm_layer.hpp"
#include "host/network/parameter.hpp"
#include "host/network/plan/gradients.hpp"
#include "host/network/plan/requantized.hpp"
#include "host/network/plan/weight_planes.hpp"

namespace qloom::network {

/// One step of the lowered plan.
struct Node {
  /// kQuantizeError hands values on and quantizes the gradients that come back.
  enum class Type { kInput, kQuantize, kQuantizeError, kLayer } type = Type::kLayer;
  std::string name;              ///< layer name, or the text of the first reader's key
  const Layer* layer = nullptr;  ///< kLayer
  std::vector<int> inputs;       ///< nodes
  SampleShape out_shape;
  bool needs_gradient = true;  ///< false: nothing trainable lies below
  int readers = 0;             ///< nodes that read the value
  int code_readers = 0;        ///< those of them that take codes as well
  int lone_code_readers = 0;   ///< and those that take codes alone: contractions
  Shape shape;                 ///< (batch, height, width, channels) of the present pass
  Tensor out;
  const Tensor* value = nullptr;  ///< out, the input's value where the node does nothing, or the
                                  ///< reader's where one pass computed both and only that is kept;
                                  ///< null where readers take the codes
  CodedTensor codes;              ///< of the value, where readers take them
  const SiteQuantizer* grid = nullptr;  ///< whose codes all readers get, of an output site, moved
                                        ///< or chosen from; null: values
  bool reads_codes = false;  ///< kLayer: all inputs have a grid, and the type makes something of it
  std::vector<std::int64_t> sums;            ///< exact ones of the last forward, where it made them
  bool makes_sums = false;                   ///< a layer whose sums, or codes, a requantizer takes
  std::unique_ptr<WeightPlanes> planes;      ///< of such weights, where somebody reads the sums
  std::unique_ptr<Requantized> requantized;  ///< kQuantize: where a requantizer makes the codes
  Operand coded;  ///< kLayer: as `codes` in the last forward; without codes: none. Its
                  ///< scale_count is 1, or the channels where inputs of several scales lie
                  ///< side by side
  std::vector<float> channel_scales{};  ///< those then
  Gradient gradient;                    ///< dL/d(value), pending

  std::shared_ptr<SiteQuantizer> site;  ///< kQuantize, kQuantizeError
  std::vector<SiteKey> keys;            ///< kQuantize: of each reader
  Parameter *weight = nullptr, *bias = nullptr;
  std::shared_ptr<NormLayer> norm;
  std::shared_ptr<SiteQuantizer> error, error_dx, error_dw;
  Contraction contraction;
  Operand input_operand, weight_operand;  ///< as the last forward saw them
  const float* bias_values = nullptr;     ///< likewise; null: none
  std::vector<double> bias_integers;      ///< likewise, at the scale of the sums; empty: it is real
  Operand dx_error, dw_error;  ///< dL/d(value) as the last backward saw it, without codes; values
                               ///< are there where all are kept
  std::array<SiteKey, 3> accumulators;  ///< of the sums forward, dx, dw
  std::vector<std::int32_t> places;     ///< what a layer keeps for its gradient

  [[nodiscard]] contraction::Bias added() const {
    return {bias_values, bias_integers.empty() ? nullptr : bias_integers.data()};
  }
  [[nodiscard]] const float* values() const { return value == nullptr ? nullptr : value->data(); }
};

using Nodes = std::vector<std::unique_ptr<Node>>;

}  // namespace qloom::network
