// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// How the checks of a program end: what fault_of() returns leaves them as an exception.
#pragma once

#include <stdexcept>
#include <string>

#include <fmt/format.h>

#include "host/program/program.hpp"

namespace qloom::program {

/// "<JSON pointer>: <what is wrong>".
class Fault : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Fault at this place unless the condition holds.
template <class... Values>
void require(bool holds, const std::string& pointer, fmt::format_string<const Values&...> text,
             const Values&... values) {
  if (!holds) throw Fault(fmt::format("{}: {}", pointer, fmt::format(text, values...)));
}

/// Fault unless everything but the numbers fits: indices, names, order, shapes, constants' counts.
void require_structure(const Program& program);

/// "/ops/3"
[[nodiscard]] std::string pointer_of(const Program& program, const Op& op);

}  // namespace qloom::program
