// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A model file (schemas/model.schema.json) as a list of layers in topological order.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace qloom::network {

enum class LayerType {
  kConv,     ///< "conv": filters, kernel, stride, padding ("same", "valid" or number), groups, bias
  kDense,    ///< "dense": units, bias; flattens its input
  kNorm,     ///< "norm": method chosen by the pipeline
  kRelu,     ///< "relu"
  kRelu6,    ///< "relu6"
  kMaxPool,  ///< "max_pool": kernel, stride, padding
  kAveragePool,  ///< "average_pool": kernel, stride, padding
  kGlobalPool,   ///< "global_average_pool"
  kAdd,          ///< "add": two inputs of one shape
  kConcat,       ///< "concat": along channels
  kFlatten       ///< "flatten"
};
[[nodiscard]] const char* name(LayerType type);

/// Shape of one sample, NHWC without N; a vector is 1 x 1 x channels.
struct SampleShape {
  std::int64_t height = 1, width = 1, channels = 1;
  [[nodiscard]] std::int64_t size() const { return height * width * channels; }
  bool operator==(const SampleShape&) const = default;
};

/// inputs: indices of earlier layers; -1 is the network's input. A layer of the file without
/// "input" takes the layer before it. "conv" with "groups": "channels" is depthwise.
struct Layer {
  std::string name;
  LayerType type = LayerType::kRelu;
  std::vector<int> inputs;
  SampleShape in, out;  ///< in: of the first input
  std::int64_t kernel_h = 1, kernel_w = 1, stride_h = 1, stride_w = 1, groups = 1;
  std::int64_t pad_top = 0, pad_bottom = 0, pad_left = 0, pad_right = 0;
  bool has_bias = false;
  std::string initialisation = "he";  ///< conv, dense: "he" (normal, 2/fan_in) or "uniform"
                                      ///< (He et al., 2015: +-sqrt(6/fan_in))
  [[nodiscard]] bool is_contraction() const {
    return type == LayerType::kConv || type == LayerType::kDense;
  }
};

struct Model {
  std::string name;
  SampleShape input;
  std::vector<Layer> layers;                               ///< the last one gives the logits
  [[nodiscard]] int find(const std::string& layer) const;  ///< index or -1
};

/// Checks against the schema, resolves names and shapes. `input` is the data's sample shape,
/// `classes` its number of classes ("units": "classes" in the file). InputError with file, pointer,
/// value and what was expected: unknown input (nearest name), shapes that do not fit, duplicate
/// names, a layer nobody reads, cyclic order.
[[nodiscard]] Model parse_model(const nlohmann::json& text, const std::string& file,
                                SampleShape input, std::int64_t classes);

}  // namespace qloom::network
