// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include "host/step_program/step_program.hpp"

namespace qloom::step_program {

/// Tensors by their part in an operation with a window, whichever of them it writes.
struct Parts {
  int x = -1;  ///< what the window moves over
  int w = -1;  ///< of products
  int y = -1;  ///< one place for each place of the window
};
[[nodiscard]] Parts parts_of(const Op& op);

/// Height, width and channels of a tensor of samples as a window sees it; in its flat order where
/// the operation is of a dense layer.
struct Extent {
  std::int64_t height = 1, width = 1, channels = 1;
};
[[nodiscard]] Extent extent_of(const Tensor& tensor, bool is_flat);

/// Shape of the weights that a window of products has.
[[nodiscard]] Shape weights_shape(const ContractionShape& window, bool is_flat);

/// The numbers of the window that follow from the tensors: of x, and the channels of y.
void complete_window(const Program& program, Op& op);

}  // namespace qloom::step_program
