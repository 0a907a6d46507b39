// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Types, names and numbers as C99 has them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "host/program/program.hpp"

namespace qloom::exchange::c {

using steps::Interval;

/// An integer type of <stdint.h>: 8, 16, 32 or 64 bits.
struct CType {
  bool is_signed = true;
  int bits = 32;

  [[nodiscard]] std::string text() const;  ///< "int16_t"
  [[nodiscard]] std::int64_t bytes() const { return bits / 8; }
  bool operator==(const CType&) const = default;
};

/// The narrowest for arrays of these values.
[[nodiscard]] CType stored(Interval values);
/// In which they are added and multiplied: int32_t, or int64_t where that does not hold them.
[[nodiscard]] CType working(Interval values);
[[nodiscard]] CType stored(const program::Tensor& tensor);

/// Smallest and largest; of at least one value.
[[nodiscard]] Interval range_of(const std::vector<std::int64_t>& values);

/// "12", "(-3)": of type int, long or long long, whatever holds it.
[[nodiscard]] std::string literal(std::int64_t value);
/// Letters, digits and "_" of a name.
[[nodiscard]] std::string identifier(const std::string& name);
/// A name between quotes of C, and inside a comment.
[[nodiscard]] std::string quoted(const std::string& name);
[[nodiscard]] std::string commented(const std::string& name);
/// "static const int8_t <name>[<size>] = {...};" in the narrowest type.
[[nodiscard]] std::string array(const std::string& name, const std::vector<std::int64_t>& values);

/// Lines with the indentation of their blocks.
class Text {
 public:
  void put(const std::string& line);
  void open(const std::string& head);  ///< "<head> {", and deeper
  /// for (int32_t <variable> = 0; <variable> < <count>; ++<variable>) {
  void loop(const std::string& variable, std::int64_t count);
  void close(int blocks = 1);
  [[nodiscard]] const std::string& all() const { return all_; }

 private:
  std::string all_;
  std::size_t depth_ = 0;
};

}  // namespace qloom::exchange::c
