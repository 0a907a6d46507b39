// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>

#include "host/layers/layer.hpp"

namespace qloom::layers {

const LayerType* find_type(const std::string& name) {
  const auto all = table();
  const auto found = std::find_if(all.begin(), all.end(),
                                  [&](const LayerType* type) { return type->name == name; });
  return found == all.end() ? nullptr : *found;
}

}  // namespace qloom::layers
