// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What parameters.vh says: the parameters of the generic module that does a layer's work.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "host/exchange/verilog/layer.hpp"

namespace qloom::exchange::verilog {

/// Name, value.
using Parameters = std::vector<std::pair<std::string, std::string>>;

[[nodiscard]] Parameters parameters_of(const Design& design, const Layer& layer);
[[nodiscard]] std::string parameters_text(const Layer& layer, const Parameters& parameters);

/// A file of the layer as its modules read it, in quotes: simulators run in the export's folder.
[[nodiscard]] std::string path_of(const Layer& layer, const std::string& file);

}  // namespace qloom::exchange::verilog
