// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Steps as statements of C. What a step does is said here a second time, and compared with
// steps::apply by tests.
#pragma once

#include <string>
#include <vector>

#include "host/exchange/c/helpers.hpp"
#include "host/exchange/c/types.hpp"
#include "host/program/ranges.hpp"

namespace qloom::exchange::c {

/// A variable of the printed text, of type working(values()).
struct Variable {
  std::string name;
  program::Range range;  ///< what it can be, of all channels or of each

  [[nodiscard]] Interval values() const { return program::whole(range); }
};

/// Text that has a value of type int32_t or int64_t.
struct Expression {
  std::string text;
  int bits;
};
/// "const int32_t v2 = ...;", with a cast where the expression is wider.
[[nodiscard]] std::string definition(const Variable& variable, const Expression& value);
/// The variable as an operand of 32 or 64 bits.
[[nodiscard]] std::string as(const Variable& variable, int bits);

/// Constants that are the same for all channels stand once.
[[nodiscard]] steps::Chain without_repeats(const steps::Chain& chain);
/// True when a step has constants for each channel: then the statements read the variable "c".
[[nodiscard]] bool varies(const steps::Chain& chain);

/// One statement a step, each with a variable <prefix>1, <prefix>2, ..., of 32 bits where its range
/// allows it; arrays of constants are called <names><step>. The chain is one that without_repeats()
/// gave. Answers the last variable.
[[nodiscard]] Variable print_steps(const steps::Chain& chain, std::uint64_t channels, Variable in,
                                   const std::string& prefix, const std::string& names,
                                   Source& source, Text& text);

}  // namespace qloom::exchange::c
