// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A program that is being written: tensors and operations with names that nobody has yet, what
// stands for them in the simulation, and the refusals.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "host/compile/compile.hpp"

namespace qloom::compile {

class Draft {
 public:
  int add(program::Tensor tensor, Source source);
  /// The operation makes the tensor; returns the tensor's number.
  int add(program::Op op, program::Tensor tensor, Source source, Finding finding = {});
  /// The name, with a number behind it where a tensor has it.
  [[nodiscard]] std::string unused(const std::string& name) const;
  /// Said once where two nodes find the same.
  void refuse(Refusal refusal);

  [[nodiscard]] const program::Tensor& tensor(int index) const {
    return out_.program.tensor(index);
  }
  [[nodiscard]] bool is_empty() const { return out_.program.tensors.empty(); }
  /// What each channel of a tensor of sums can be.
  void set_ranges(int tensor, std::vector<Interval> ranges);
  [[nodiscard]] const std::vector<Interval>& ranges_of(int tensor) const;

  void set_scale(int tensor, std::vector<double> scale) {
    out_.program.tensors[static_cast<std::size_t>(tensor)].scale = std::move(scale);
  }
  void set_outputs(std::vector<int> tensors) { out_.program.outputs = std::move(tensors); }
  void set_float_logits(bool has) { out_.has_float_logits = has; }
  /// The end: the program, or none where something was refused. RunError when it is none.
  [[nodiscard]] Compiled take();

 private:
  [[nodiscard]] std::string unused_op(const std::string& name) const;

  Compiled out_;
  std::vector<std::pair<int, std::vector<Interval>>> ranges_;
};

}  // namespace qloom::compile
