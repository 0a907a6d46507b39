// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Each operation of a program as one function of C.
#pragma once

#include <string>

#include "host/exchange/c/fusion.hpp"
#include "host/exchange/c/helpers.hpp"
#include "host/program/program.hpp"
#include "host/program/ranges.hpp"

namespace qloom::exchange::c {

/// Where an operation is printed to.
struct OpPrinter {
  const program::Program& program;
  const std::vector<program::Range>& ranges;  ///< of its tensors
  int index = 0;                              ///< of the operation
  bool is_packed = true;                      ///< weights of few bits share bytes
  Source& source;

  [[nodiscard]] const program::Op& op() const {
    return program.ops[static_cast<std::size_t>(index)];
  }
  [[nodiscard]] const program::Tensor& input(std::size_t i = 0) const {
    return program.tensor(op().inputs[i]);
  }
  /// What the function writes: the operation's output, or that of the map that it does too.
  [[nodiscard]] const program::Tensor& output() const {
    const program::Op* map = fused_map(program, index);
    return program.tensor(map == nullptr ? op().output : map->output);
  }
  /// Codes of an input; the same with the zero point taken off.
  [[nodiscard]] const program::Range& codes(std::size_t i = 0) const {
    return ranges[static_cast<std::size_t>(op().inputs[i])];
  }
  [[nodiscard]] program::Range values(std::size_t i = 0) const;
  /// "const uint8_t *x, int32_t *y" around the body; with several inputs x0, x1, ...
  void function(const Text& body, const std::string& comment) const;
  /// "y[<at>] = (uint8_t)<value>;"
  [[nodiscard]] std::string store(const std::string& at, const std::string& value) const;
  /// The same for a sum, through the steps of a map that the function does too.
  void store_sum(Text& text, const std::string& at, const std::string& channel,
                 const std::string& sum) const;
};

/// Name of the function of an operation: "op3_relu1".
[[nodiscard]] std::string function_of(const program::Program& program, int op);

/// conv, dense.
void print_contraction(const OpPrinter& printer);
void print_sum_pool(const OpPrinter& printer);
void print_max_pool(const OpPrinter& printer);
void print_map(const OpPrinter& printer);
void print_join(const OpPrinter& printer);
/// All kinds. A reshape moves nothing and has no function, and a map whose steps the operation
/// before it does has none.
void print_op(const OpPrinter& printer);

/// Element `at` of an input called `x` as a number of so many bits, zero point taken off.
[[nodiscard]] std::string loaded(const OpPrinter& printer, std::size_t input, const std::string& x,
                                 const std::string& at, int bits);
/// Bits for the code, its zero point and their difference.
[[nodiscard]] int bits_of_code(const OpPrinter& printer, std::size_t input);
/// What a window reads of an image, as loops of C; dilation, stride and padding are the shape's.
class Window {
 public:
  explicit Window(const OpPrinter& printer)
      : shape_(printer.op().window),
        in_channels_(printer.input().channels),
        out_channels_(printer.output().channels) {}
  /// Loops over out_h, out_w: variables oy, ox.
  void open_places(Text& text) const;
  /// Loops over the kernel: variables ky, kx, and iy, ix where it lies in the input. Answers what
  /// says that this is inside, or "" where it always is.
  std::string open_kernel(Text& text) const;
  /// Index of the first channel at iy, ix and at oy, ox.
  [[nodiscard]] std::string input() const;
  [[nodiscard]] std::string output() const;

 private:
  const program::ContractionShape& shape_;
  std::int64_t in_channels_, out_channels_;
};

}  // namespace qloom::exchange::c
