// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include <string>
#include <vector>

#include "host/exchange/c/helpers.hpp"
#include "host/exchange/c/types.hpp"
#include "host/step_program/step_program.hpp"

namespace qloom::exchange::c {

/// An operation of a step program on its way to a function of C.
struct StepPrinting {
  const step_program::Program& program;
  const std::vector<Interval>& ranges;
  int index;
  Source& source;

  [[nodiscard]] const step_program::Op& op() const {
    return program.ops[static_cast<std::size_t>(index)];
  }
  [[nodiscard]] const step_program::Tensor& tensor(int number) const {
    return program.tensor(number);
  }
  [[nodiscard]] CType type(int number) const { return stored(tensor(number).type.values()); }
  [[nodiscard]] Interval range(int number) const {
    return ranges[static_cast<std::size_t>(number)];
  }
};

/// Name of the operation's function.
[[nodiscard]] std::string step_function(const step_program::Program& program, int index);
/// Adds the function: of the tensors that are read, then of the one that is written; of a sum over
/// samples, to which one sample is added.
void print_step_op(const StepPrinting& p);
/// Functions with windows.
void print_step_products(const StepPrinting& p);
void print_step_pool(const StepPrinting& p);
/// Stochastic rounding, and what makes its random numbers.
void print_step_stochastic(const StepPrinting& p);
[[nodiscard]] std::string random_helpers(const step_program::Program& program);
/// The head: "static void op3_conv1(const int8_t *a, const int8_t *b, int16_t *y" and what comes
/// behind it.
[[nodiscard]] std::string step_head(const StepPrinting& p, const std::string& more = "");

/// Random words, the largest magnitude and its exponent, significant bits: what operations call.
[[nodiscard]] std::string step_helpers(const step_program::Program& program);

}  // namespace qloom::exchange::c
