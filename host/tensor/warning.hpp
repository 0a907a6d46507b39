// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include <string>

namespace qloom {

/// Something that works, but perhaps not as its author meant it.
struct Warning {
  std::string where;  ///< file and JSON pointer, or file and array; may be empty
  std::string what;   ///< what was seen and what was made of it
  friend bool operator==(const Warning&, const Warning&) = default;
};

}  // namespace qloom
