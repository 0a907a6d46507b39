// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What requantizers are asked for, and what they answer.
#pragma once

#include <string>
#include <vector>

#include "host/check/kinds/record.hpp"
#include "host/methods/requantizer.hpp"

namespace qloom::check {

struct NamedTask {
  std::string name;
  methods::RequantizeTask task;
  bool is_ordinary =
      false;  ///< one sum, factors are powers of two, sums narrow: no method may refuse it
};
/// One input and joins; negative, zero, tiny and huge factors; narrow and wide sums.
[[nodiscard]] const std::vector<NamedTask>& requantize_tasks();

/// The answer, checked as the host does; the refusal of the method, or what is wrong with it.
struct Derived {
  methods::Requantization steps;
  std::string refusal, fault;
};
[[nodiscard]] Derived derived(Context& context, registry::Instance& instance,
                              const methods::RequantizeTask& task);

}  // namespace qloom::check
