// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// One step as Verilog.
#pragma once

#include <string>

#include "host/steps/step.hpp"

namespace qloom::exchange::verilog {

/// What the text of a step needs to know. Wires of a step end in its number: the value behind it
/// is v<number>, where `prefix` stands before all names.
struct StepPlace {
  std::string prefix;
  int number = 1;    ///< counted from 1; the step reads v<number - 1>
  int bits_in = 1;   ///< two's complement, before the step
  int bits_out = 1;  ///< behind it
  std::string file;  ///< where constants lie that are no single number
};

/// Declarations that end in the wire of the value behind the step.
[[nodiscard]] std::string step_text(const steps::Step& step, const StepPlace& place);

/// Whether the constants lie in a memory, and the width of one there. Unit: bits.
[[nodiscard]] bool has_memory(const steps::Step& step);
[[nodiscard]] int constant_bits(const steps::Step& step);

}  // namespace qloom::exchange::verilog
