// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Which operations of a program make one layer of hardware.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "host/program/program.hpp"
#include "host/program/ranges.hpp"

namespace qloom::exchange::verilog {

/// One operation; of a conv or dense with the map of its sums, when no other operation reads them.
struct Layer {
  std::string name;        ///< of the operation; the folder has it too
  std::string identifier;  ///< as a part of module names
  const program::Op* op = nullptr;
  const program::Op* map = nullptr;  ///< or none
};

/// A program as the exporter reads it.
struct Design {
  const program::Program& program;
  std::vector<program::Range> ranges;  ///< of each tensor
  std::vector<Layer> layers;           ///< in the program's order, without what moves data only
  std::int64_t samples = 1;            ///< in the golden words
  std::int64_t lanes = 1;              ///< products a clock

  [[nodiscard]] const program::Tensor& input(const Layer& layer) const {
    return program.tensor(layer.op->inputs[0]);
  }
  [[nodiscard]] const program::Range& range(int tensor) const {
    return ranges[static_cast<std::size_t>(tensor)];
  }
};

/// The program is one that fault_of() accepts and outlives the result.
[[nodiscard]] Design design_of(const program::Program& program, std::int64_t samples,
                               std::int64_t lanes);

/// Concat and reshape: golden words hold what they do, no module does it.
[[nodiscard]] bool moves_data_only(program::Kind kind);
/// A conv or dense.
[[nodiscard]] bool multiplies(const Layer& layer);

/// Words of weights behind one output channel, `lanes` in each.
[[nodiscard]] std::int64_t words_per_sum(const Design& design, const Layer& layer);
/// Clocks in which the layer works, of one sample.
[[nodiscard]] std::int64_t cycles_of(const Design& design, const Layer& layer);
/// Multiplications of one sample.
[[nodiscard]] std::int64_t products_of(const Layer& layer);

/// Width in two's complement. Unit: bits.
[[nodiscard]] int signed_bits(program::Interval values);
/// x - zero point for the values of a tensor.
[[nodiscard]] program::Interval without_zero_point(const program::Tensor& tensor,
                                                   program::Interval values);

}  // namespace qloom::exchange::verilog
