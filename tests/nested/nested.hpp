// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The methods of the build tree with `forward`, a quantizer that is nothing but the one inside it.
#pragma once

#include <cstdlib>
#include <string>

#include "host/registry/registry.hpp"

namespace qloom::test {

inline const char* nested_folder() { return QLOOM_BINARY_DIR "/tests/nested_plugins"; }

inline const registry::Registry& nested_registry() {
  static const registry::Registry all({QLOOM_BINARY_DIR "/plugins", nested_folder()});
  return all;
}

/// {"plugin": "forward", "quantizer": inside}, `times` times around it.
inline json::Json forwarded(json::Json inside, int times = 1) {
  for (int i = 0; i < times; ++i) inside = {{"plugin", "forward"}, {"quantizer", inside}};
  return inside;
}

}  // namespace qloom::test
