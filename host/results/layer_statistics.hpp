// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include <cstdint>

#include "host/data/datasets/dataset.hpp"
#include "host/json/json.hpp"
#include "host/network/network.hpp"

namespace qloom::results {

/// What quantization does to the tensors of the network: one evaluation pass with the rules on over
/// the first samples of the test set, then per weight, quantized bias and contraction input a
/// histogram before and after, the levels of the grid and the signal-to-quantization-noise ratio
/// (report.schema.json, "layer_statistics").
///
/// threads:     same figures for any number
/// cost:        a fraction of a second; the number of samples follows the size of the network
/// side effect: the nodes hold the values of that pass; overflows of modelled accumulators are not
///              counted
/// errors:      none; where no pass with rules is possible, "error" says why
[[nodiscard]] json::Json layer_statistics(network::Network& network, const data::Dataset& dataset,
                                          data::Normalisation normalisation, std::uint64_t epochs);

}  // namespace qloom::results
