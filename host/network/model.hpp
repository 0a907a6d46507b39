// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A model file (schemas/model.schema.json) as a list of layers in topological order.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "host/json/json.hpp"

#include "host/layers/layer.hpp"

namespace qloom::network {

using layers::Layer;
using layers::SampleShape;

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
[[nodiscard]] Model parse_model(const json::Json& text, const std::string& file, SampleShape input,
                                std::int64_t classes);

}  // namespace qloom::network
