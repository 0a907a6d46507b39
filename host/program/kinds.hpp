// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include "host/program/program.hpp"

namespace qloom::program {

/// Parts of an operation that not every kind has.
struct Traits {
  bool has_window = false, has_weights = false, has_steps = false, has_input_steps = false;
  bool keeps_type = false;  ///< codes go through as they are
};
[[nodiscard]] Traits traits_of(Kind kind);

}  // namespace qloom::program
