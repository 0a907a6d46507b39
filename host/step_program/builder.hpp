// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "host/step_program/step_program.hpp"

namespace qloom::step_program {

/// float32 holds all integers up to it.
inline constexpr std::int64_t kFloat32Exact = std::int64_t{1} << 24;

/// Integers that stand for v * 2^exponent.
struct Held {
  int tensor = -1;
  int exponent = 0;
};

/// A step program on its way: tensors get the type that their values need.
class Builder {
 public:
  /// Of the values of a parameter between these bounds.
  int add_parameter(const std::string& name, const Shape& shape, steps::Interval bounds,
                    int exponent, std::vector<std::int64_t> initial);
  int add_images(const Shape& shape);
  /// The operation with its output, named after the tensor; program::Fault where its values leave
  /// 62 bits.
  Held add(Op op, const std::string& name, const Shape& shape, int exponent);
  /// The same for an operation whose output has its first input's shape.
  Held add(Op op, const std::string& name, int exponent);
  int add_exponent(int tensor, Section section);
  /// The values as float32 holds them: 24 significant bits.
  Held as_float32(Held values, Section section);

  [[nodiscard]] steps::Interval range(int tensor) const {
    return ranges_[static_cast<std::size_t>(tensor)];
  }
  [[nodiscard]] const Tensor& tensor(int index) const { return program_.tensor(index); }
  Program& program() { return program_; }
  /// With the operations, section after section.
  [[nodiscard]] Program finished();

 private:
  int add_tensor(const std::string& name, Each each, const Shape& shape, steps::Interval values,
                 std::optional<int> exponent);
  [[nodiscard]] std::string unused(const std::string& name) const;

  Program program_;
  std::array<std::vector<Op>, 3> ops_;
  std::vector<steps::Interval> ranges_;
};

}  // namespace qloom::step_program
