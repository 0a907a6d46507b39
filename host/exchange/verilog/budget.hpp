// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// budget.csv: what each layer costs, for one sample.
#pragma once

#include <string>
#include <vector>

#include "host/exchange/verilog/layer.hpp"
#include "host/exchange/verilog/requantize.hpp"

namespace qloom::exchange::verilog {

/// A line for each operation but the maps that are part of another's layer; `requantizers`: of each
/// layer.
[[nodiscard]] std::string budget_text(const Design& design,
                                      const std::vector<Requantizer>& requantizers);

}  // namespace qloom::exchange::verilog
