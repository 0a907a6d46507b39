// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include "host/layers/common/reader.hpp"

namespace qloom::layers {

/// Kernel, stride (where the file has none: as the layer has it), padding, and height and width of
/// the output; dilation is known. kOnlyInside: a window must not see padding alone.
enum class Windows { kAnywhere, kOnlyInside };
void read_window(const Reader& reader, Windows windows, Layer& layer);

/// The windows of a pool; without a stride they do not overlap.
void read_pool(Reader& reader, Layer& layer);

}  // namespace qloom::layers
