// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The integer program: a trained network as sums of products of integers and steps between them.
// Simulation, executors and exports are compared through it, tensor by tensor, under its names.
// Layout is height, width, channel; the batch is outside the program.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "host/contraction/contraction.hpp"
#include "host/steps/proof.hpp"
#include "host/steps/step.hpp"

namespace qloom::program {

using contraction::ContractionShape;
using steps::Chain;
using steps::Interval;

/// Integers of so many bits, 1 to 64: unsigned, or in two's complement.
struct Type {
  bool is_signed = false;
  int bits = 8;

  /// All values; of 64 unsigned bits those below 2^63.
  [[nodiscard]] Interval values() const;
  [[nodiscard]] std::string text() const;  ///< "u8", "s19"
  bool operator==(const Type&) const = default;
};
/// The narrowest type that holds all values.
[[nodiscard]] Type type_of(Interval values);

/// What one operation hands to its readers, for one sample.
struct Tensor {
  std::string name;
  std::int64_t height = 1, width = 1, channels = 1;
  Type type;
  std::int64_t zero_point = 0;  ///< the code of 0
  /// Real number = (code - zero_point) * scale: one, or one per channel; empty where codes stand
  /// for no real number (bytes of an image, a class).
  std::vector<double> scale;

  [[nodiscard]] std::int64_t size() const { return height * width * channels; }
  bool operator==(const Tensor&) const = default;
};

enum class Kind {
  kConv,     ///< sum over (kernel_h, kernel_w, channel) of (x - zero point) * w, in that order
  kDense,    ///< the same over all of x
  kMap,      ///< steps on each element
  kJoin,     ///< steps of each input on x - zero point, their sum, then steps
  kConcat,   ///< along channels; all tensors have one type and zero point
  kSumPool,  ///< sum of x - zero point over the window; nothing may be padded
  kMaxPool,  ///< of codes; what is padded does not take part
  kArgmax,   ///< index of the largest, the smallest among equals
  kReshape,  ///< the same elements, in another shape
};

/// What happens to a sum that its register does not hold, after each addition.
enum class Overflow {
  kNever,  ///< none is: proved from the weights
  kWrap,
  kSaturate,
};

/// The register in which products are added.
struct Register {
  int bits = 32;  ///< two's complement, 2 to 62
  Overflow overflow = Overflow::kNever;
  int needed = 32;  ///< so many bits no input can overflow
  bool operator==(const Register&) const = default;
};

struct Op {
  std::string name;
  Kind kind = Kind::kMap;
  std::vector<int> inputs;            ///< tensors; all but joins and concats have one
  int output = 0;                     ///< tensor
  ContractionShape window;            ///< conv, dense (1 x 1 on a flat input), pools (groups and
                                      ///< out_c: the channels); batch is 1
  std::vector<std::int32_t> weights;  ///< conv, dense: (out_c, kernel_h, kernel_w, in_c / groups)
  Type weight_type;
  std::int64_t pad = 0;            ///< conv: code that stands where the window pads
  Register sum;                    ///< conv, dense
  Chain steps;                     ///< map, join
  std::vector<Chain> input_steps;  ///< join: one chain an input
  bool operator==(const Op&) const = default;
};

/// Where a program comes from.
struct Origin {
  std::string name;           ///< of the pipeline
  std::string configuration;  ///< digest of the run's configuration
  std::string checkpoint;     ///< digest of the run's checkpoint
  bool operator==(const Origin&) const = default;
};

/// Operations stand in the order in which they run. A tensor is written once: all but the input
/// by one operation.
struct Program {
  Origin origin;
  std::vector<Tensor> tensors;
  std::vector<Op> ops;
  int input = 0;
  std::vector<int> outputs;  ///< tensors
  bool operator==(const Program&) const = default;

  [[nodiscard]] const Tensor& tensor(int index) const {
    return tensors[static_cast<std::size_t>(index)];
  }
};

/// Number of the tensor of this name, or -1.
[[nodiscard]] int find_tensor(const Program& program, const std::string& name);

/// "conv", "sum_pool", as files have it; find() is false when there is no such name.
[[nodiscard]] const char* name_of(Kind kind);
[[nodiscard]] const char* name_of(Overflow overflow);
[[nodiscard]] bool find(const std::string& name, Kind& kind);
[[nodiscard]] bool find(const std::string& name, Overflow& overflow);

/// Names of the operations that have a step in floating point. Of an integer program: none.
[[nodiscard]] std::vector<std::string> float_operations(const Program& program);
/// InputError that names them all; `what` is only for integer programs: "the export to C".
void require_integer(const Program& program, const std::string& what);

/// Smallest and largest sum of each output channel of a conv or dense, whatever the codes of its
/// input are: from the signs of the weights. `codes`: of the input, its padding included, zero
/// point taken off. Every partial sum lies between the two and 0, if in `codes` is 0.
[[nodiscard]] std::vector<Interval> sums_of(const Op& op, Interval codes);

/// What keeps this from being a program that runs: a shape, a type, an order, a number that no
/// register holds. JSON pointer and message as "/ops/3/steps: ...", or empty. What it accepts, the
/// executors run without leaving 64 bits.
[[nodiscard]] std::string fault_of(const Program& program);

}  // namespace qloom::program
