// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Functions of C that the printed operations call. Each is written once, and only where something
// calls it: an unused one would be a warning.
#pragma once

#include <map>
#include <string>

#include "host/exchange/c/types.hpp"

namespace qloom::exchange::c {

/// What model.c consists of, collected while operations are printed.
class Source {
 public:
  std::string arrays;     ///< static const
  std::string functions;  ///< one an operation

  /// Each answers the name of the function, in 32 or 64 bits. Right shift by n, below `bits`.
  [[nodiscard]] std::string shift_right(steps::Rounding rounding, int bits);
  /// The number of n bits in two's complement with the last bits of an unsigned number.
  [[nodiscard]] std::string wrap(int bits);
  /// The nearest number of n bits.
  [[nodiscard]] std::string saturate(int bits);
  /// How many of n ascending numbers are at most v.
  [[nodiscard]] std::string count(CType element, int bits);
  /// Field k of 1, 2 or 4 bits, little end first.
  [[nodiscard]] std::string field(int field_bits);

  /// The functions named so far.
  [[nodiscard]] std::string helpers() const;

 private:
  std::string need(const std::string& name, const std::string& text);
  std::map<std::string, std::string> helpers_;  ///< name -> text
};

}  // namespace qloom::exchange::c
