// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// all_layers.v: every layer side by side, each fed with golden words, and what is told at the end.
#pragma once

#include <string>

#include "host/exchange/verilog/layer.hpp"

namespace qloom::exchange::verilog {

[[nodiscard]] std::string all_layers_text(const Design& design);

}  // namespace qloom::exchange::verilog
