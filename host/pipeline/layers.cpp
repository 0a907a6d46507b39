// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>

#include <fnmatch.h>

#include "host/pipeline/pipeline.hpp"

namespace qloom::pipeline {

bool matches_layer(const Written& entry, const NamedLayer& layer) {
  if (entry.name == layer.name) return true;
  if (entry.is_exact) return false;
  if (entry.name == layer.type) return true;
  if (entry.name == "first" && layer.is_first) return true;
  if (entry.name == "last" && layer.is_last) return true;
  return fnmatch(entry.name.c_str(), layer.name.c_str(), 0) == 0;
}

bool matches_layer(const Rule& rule, const NamedLayer& layer) {
  return rule.layers.empty() ||
         std::any_of(rule.layers.begin(), rule.layers.end(),
                     [&](const Written& entry) { return matches_layer(entry, layer); });
}

}  // namespace qloom::pipeline
