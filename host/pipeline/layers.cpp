// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>

#include <fnmatch.h>

#include "host/pipeline/pipeline.hpp"

namespace qloom::pipeline {

bool matches_layer(const Rule& rule, const std::string& layer, const std::string& type,
                   bool is_first, bool is_last) {
  if (rule.layers.empty()) return true;
  return std::any_of(rule.layers.begin(), rule.layers.end(), [&](const std::string& pattern) {
    if (pattern == layer || pattern == type) return true;
    if (pattern == "first" && is_first) return true;
    if (pattern == "last" && is_last) return true;
    return fnmatch(pattern.c_str(), layer.c_str(), 0) == 0;
  });
}

}  // namespace qloom::pipeline
