// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Convolution and matrix product in their three roles. All layouts are NHWC; weights are
// (out_channels, kernel_h, kernel_w, in_channels / groups); a dense layer is the 1x1 case.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include <qloom/abi.h>

#include "host/tensor/coded.hpp"

namespace qloom::contraction {

struct ContractionShape {
  std::int64_t batch = 1, in_h = 1, in_w = 1, in_c = 1;
  std::int64_t out_c = 1, kernel_h = 1, kernel_w = 1;
  std::int64_t stride_h = 1, stride_w = 1;
  std::int64_t pad_top = 0, pad_bottom = 0, pad_left = 0, pad_right = 0;
  std::int64_t groups = 1;
  std::int64_t dilation_h = 1, dilation_w = 1;  ///< distance of two places of the kernel

  /// Rows and columns from the kernel's first place to its last, both counted.
  [[nodiscard]] std::int64_t extent_h() const { return (kernel_h - 1) * dilation_h + 1; }
  [[nodiscard]] std::int64_t extent_w() const { return (kernel_w - 1) * dilation_w + 1; }
  [[nodiscard]] std::int64_t out_h() const {
    return (in_h + pad_top + pad_bottom - extent_h()) / stride_h + 1;
  }
  [[nodiscard]] std::int64_t out_w() const {
    return (in_w + pad_left + pad_right - extent_w()) / stride_w + 1;
  }
  /// Last rows and columns of the padded input that no kernel position reads.
  [[nodiscard]] std::int64_t unread_rows() const {
    return (in_h + pad_top + pad_bottom - extent_h()) % stride_h;
  }
  [[nodiscard]] std::int64_t unread_columns() const {
    return (in_w + pad_left + pad_right - extent_w()) % stride_w;
  }
  [[nodiscard]] bool pads() const { return (pad_top | pad_bottom | pad_left | pad_right) != 0; }
  [[nodiscard]] std::int64_t fan_in() const { return kernel_h * kernel_w * in_c / groups; }
  [[nodiscard]] std::int64_t x_size() const { return batch * in_h * in_w * in_c; }
  [[nodiscard]] std::int64_t y_size() const { return batch * out_h() * out_w() * out_c; }
  [[nodiscard]] std::int64_t w_size() const { return out_c * fan_in(); }
  bool operator==(const ContractionShape&) const = default;
};

/// Largest |code| that contractions multiply exactly: float32 arithmetic cuts it into digits.
inline constexpr double kLargestCode = 4194304;  // 2^22

/// One operand of a contraction. With scale_count > 0 every value is an integer code times its
/// scale, rounded once to float32, and `codes` holds the codes (zero point already taken off);
/// scale_count is 1, or the number of output channels for weights. The values may then be left
/// out, unless there are several scales.
struct Operand {
  const float* values = nullptr;
  const float* scale = nullptr;
  std::uint64_t scale_count = 0;
  double code_min = 0, code_max = 0;  ///< of all codes, code_min <= 0 <= code_max
  CodeView codes{};
  float pad = 0;  ///< of an input: what stands where the shape pads

  /// Largest magnitude of a code.
  [[nodiscard]] double largest_code() const { return std::max(-code_min, code_max); }
};

/// What is added to the sums of each output channel: real values behind their scale, or integers of
/// that scale to the integer sums, where those are there; both stand for the same.
struct Bias {
  Bias() = default;
  Bias(const float* real) : values(real) {}  // NOLINT: a bias mostly is real
  Bias(const float* real, const double* whole) : values(real), integers(whole) {}

  const float* values = nullptr;     ///< null: nothing is added
  const double* integers = nullptr;  ///< whole numbers of 32 bits; null: the values are added
};

/// A modelled accumulator; ops == nullptr: none. The call carries seed, stream, step and rounding.
struct AccumulatorRef {
  const void* self = nullptr;
  const qloom_accumulator* ops = nullptr;
  qloom_call call{};
  std::uint64_t* overflows = nullptr;
  /// Makes the call in place of ops->accumulate() where set; who made the reference watches it so.
  qloom_status (*around)(const AccumulatorRef&, const qloom_call&, const qloom_tile&,
                         std::uint64_t& overflows) noexcept = nullptr;
  const void* watcher = nullptr;  ///< for around()
};

/// One contraction layer's arithmetic; keeps its primitives and buffers between calls.
///
/// Real operands: float32 sums, cut into a fixed number of shards of the batch, so that the bits do
///   not depend on the number of threads (they may depend on the instruction set).
/// Two integer-coded operands whose scale is constant along the summed axes: the exact integer sum,
///   then one multiplication: float(double(sum) * (double(scale_a) * double(scale_b))); a bias of
///   integers is added to the sum before.
///   One float32 pass is used while no partial sum can exceed 2^24; otherwise the codes are split
///   into digits whose passes are exact, and the passes are added in 64-bit integers. Operands with
///   codes above kLargestCode count as real, and so does an input whose pad is no code's value.
///   Codes or digits that fit in a byte run as bytes where the processor multiplies them exactly
///   (AVX-512 VNNI): the same integers, hence the same bits, in less time; undivided, where 32-bit
///   sums are exact at any size.
/// A modelled accumulator (not is_exact, or operands not coded): its accumulate() on tiles of the
///   im2col form, k ascending
///   in (kernel_h, kernel_w, in_channel) order for the forward role, (kernel_h, kernel_w,
///   out_channel) for the input gradient, (batch, out_h, out_w) for the weight gradient; padding
///   counts as products of zero. An INTEGER accumulator needs integer-coded operands with constant
///   scale along k: otherwise RunError.
class Contraction {
 public:
  Contraction();
  ~Contraction();
  Contraction(Contraction&&) noexcept;
  Contraction& operator=(Contraction&&) noexcept;

  /// y = x * w + bias. `sums` gets the integer sums too, before scales and bias;
  /// RunError where there are none: an operand is real, or an accumulator adds no codes.
  void forward(const ContractionShape&, const Operand& x, const Operand& w, const Bias& bias,
               float* y, const AccumulatorRef& = {}, std::int64_t* sums = nullptr);
  /// dx = dy * w^T; does not read the old dx.
  void input_gradient(const ContractionShape&, const Operand& dy, const Operand& w, float* dx,
                      const AccumulatorRef& = {});
  /// dw = x^T * dy; does not read the old dw.
  void weight_gradient(const ContractionShape&, const Operand& x, const Operand& dy, float* dw,
                       const AccumulatorRef& = {});

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Are sums of products of these operands integers, of one scale for each output channel? Not
/// where the shape pads with what is no code's value.
[[nodiscard]] bool sums_are_integers(const ContractionShape&, const Operand& x, const Operand& w);
/// What 1 in such a sum stands for: double(scale of x) * double(scale of w), one for each output
/// channel.
[[nodiscard]] std::vector<double> product_scales(const Operand& x, const Operand& w,
                                                 std::int64_t out_channels);

/// y = what forward() makes of these integer sums of the two operands, (rows, out_channels).
void scale_integer_sums(const Operand& x, const Operand& w, const Bias& bias,
                        std::int64_t out_channels, std::int64_t rows, const std::int64_t* sums,
                        float* y);

/// db[c] = sum of dy over batch, height, width.
void bias_gradient(const ContractionShape&, const Operand& dy, float* db);

}  // namespace qloom::contraction
