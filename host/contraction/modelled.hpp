// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Contractions that add up the way a modelled accumulator does. Each role becomes one matrix
// product per group, c[rows x cols] = a[rows x k] * b[k x cols], cut into tiles of whole k:
//
//   role             row                column              k, ascending
//   forward          output pixel       output channel      kernel_h, kernel_w, input channel
//   input gradient   input pixel        input channel       kernel_h, kernel_w, output channel
//   weight gradient  output channel     place in the kernel  batch, out_h, out_w
//
// Padding, and output pixels that a stride skips, count as products of zero.
#pragma once

#include <cstddef>
#include <vector>

#include "host/contraction/contraction.hpp"
#include "host/tensor/tensor.hpp"

namespace qloom::contraction {

/// The three roles as in Contraction; keeps its buffers between calls.
///
/// errors: RunError when an integer accumulator does not get codes with one scale along k, or when
///         the accumulator refuses
class ModelledContraction {
 public:
  /// `sums` gets the integer sums too, before scales and bias; only of an integer accumulator.
  void forward(const ContractionShape& s, const Operand& x, const Operand& w, const Bias& bias,
               float* y, const AccumulatorRef& accumulator, std::int64_t* sums = nullptr);
  void input_gradient(const ContractionShape& s, const Operand& dy, const Operand& w, float* dx,
                      const AccumulatorRef& accumulator);
  void weight_gradient(const ContractionShape& s, const Operand& x, const Operand& dy, float* dw,
                       const AccumulatorRef& accumulator);

 private:
  /// One matrix product per group; pitch is the index distance of two rows of the result.
  struct Product {
    std::int64_t rows, cols, k, groups, pitch;
    std::int64_t row_tile, col_tile;
  };
  struct Area {
    Tensor a, b;
    std::vector<double> c;
  };
  /// Where a tile's operands lie.
  struct View {
    const float* values;
    std::int64_t pitch;
  };

  /// Codes or values of an operand, as the accumulator wants them.
  const float* prepare(const Operand& operand, std::int64_t n, const AccumulatorRef& accumulator,
                       Tensor& buffer);
  /// Runs all tiles. gather_a(area, group, row, rows) and gather_b(area, group, col, cols) give the
  /// operands, store(group, row, rows, col, cols, c) takes the sums.
  template <class GatherA, class GatherB, class Store>
  void run(const Product& product, const AccumulatorRef& accumulator, const GatherA& gather_a,
           const GatherB& gather_b, const Store& store);

  std::vector<Area> areas_;
  std::vector<std::uint64_t> overflows_;
  std::vector<double> factors_;
  Tensor left_, right_, turned_;
};

}  // namespace qloom::contraction
