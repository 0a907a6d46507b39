// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The step program: one step of training as operations on integers, forward, backward and update.
// Simulation, executor and C are compared through it. docs/step_program.md has the formulas.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "host/contraction/contraction.hpp"
#include "host/program/program.hpp"
#include "host/steps/proof.hpp"
#include "host/steps/step.hpp"
#include "host/tensor/tensor.hpp"

namespace qloom::step_program {

using contraction::ContractionShape;
using program::Type;
using steps::Chain;
using steps::Interval;

/// What a tensor is there for.
enum class Each {
  kSample,   ///< one for each sample of the batch: (height, width, channels)
  kWeights,  ///< of the shape of a layer's weights: (out, kernel_h, kernel_w, in / groups)
  kStep      ///< one number
};

struct Tensor {
  std::string name;
  Each each = Each::kSample;
  Shape shape;
  Type type;
  std::optional<int> exponent;  ///< real number = value * 2^exponent; of some there is none

  [[nodiscard]] std::int64_t size() const { return element_count(shape); }
  bool operator==(const Tensor&) const = default;
};

enum class Kind {
  kConv,    ///< x, w: y = sum over kernel_h, kernel_w, channel of x * w
  kConvDx,  ///< dy, w: what each x had its part in
  kConvDw,  ///< x, dy: what each w had its part in, over all samples
  kDense,   ///< the same three on x in its flat order
  kDenseDx,
  kDenseDw,
  kMap,            ///< x: steps on each element
  kMaxPool,        ///< x: largest element of the window
  kMaxPlace,       ///< x: its place in the window, row * kernel_w + column; the first among equals
  kSubtractLabel,  ///< x: x - one at the sample's label, x elsewhere
  kRoute,          ///< dy, places: each dy to its place in the window, added; 0 elsewhere
  kMultiply,       ///< a, b: element by element
  kSignificant,    ///< x: the nearest number of so many significant bits, ties to even
  kExponent,       ///< x: round(log2 of the largest magnitude of all samples), 0 where all is 0
  kNormalise,      ///< x, e: x * 2^(bits - e), rounded, clamped
  kStochastic,     ///< x, e: x * 2^(shift - e), rounded by random words
  kUpdate          ///< w, u: w - u, clamped
};

enum class Section { kForward, kBackward, kUpdate };

/// From this step on, counted from 0.
struct Rate {
  std::uint64_t step = 0;
  int shift = 0;
  bool operator==(const Rate&) const = default;
};

/// Random numbers out of a shift register of 16 bits, x^16 + x^14 + x^13 + x^11 + 1, that makes
/// `random_bits` steps for each element.
struct Lfsr {
  enum class Start {
    kRun,   ///< so many steps after `state` as a word of the counter says, another one at each step
    kFixed  ///< at `state`, at every step
  };
  std::uint16_t state = 1;  ///< not 0
  Start start = Start::kRun;
  bool operator==(const Lfsr&) const = default;
};

struct Op {
  std::string name{};
  Kind kind = Kind::kMap;
  Section section = Section::kForward;
  std::vector<int> inputs{};  ///< tensors
  int output = 0;
  ContractionShape window{};       ///< conv, dense, pools and their gradients; batch is 1
  Chain steps{};                   ///< map
  std::int64_t one = 0;            ///< subtract_label
  int bits = 0;                    ///< significant, normalise
  steps::Rounding rounding{};      ///< normalise
  std::int64_t low = 0, high = 0;  ///< normalise, update
  std::uint64_t stream = 0;        ///< stochastic: of its random words
  int random_bits = 0;             ///< stochastic
  std::optional<Lfsr> lfsr{};      ///< stochastic: without it the words are the counter's
  std::vector<Rate> rates{};       ///< stochastic; the first at step 0, ascending
  bool operator==(const Op&) const = default;
};

/// Weights: what the steps change.
struct Parameter {
  int tensor = 0;                     ///< as the step reads them
  int next = 0;                       ///< written by an update; the next step reads it
  std::vector<std::int64_t> initial;  ///< before the first step
  bool operator==(const Parameter&) const = default;
};

/// Operations stand in the order in which they run, section by section. Every tensor is written
/// once: all but the images and the weights by one operation.
struct Program {
  std::string name;           ///< of the pipeline
  std::string configuration;  ///< digest of the run's configuration
  std::int64_t batch = 1;     ///< most samples of a step; the last step of an epoch may have fewer
  std::uint64_t seed = 0;     ///< of random words
  std::vector<Tensor> tensors;
  std::vector<Op> ops;
  std::vector<Parameter> parameters;
  int images = 0;  ///< tensor
  int logits = 0;  ///< tensor; the class of an image is its largest element, the first among equals
  bool operator==(const Program&) const = default;

  [[nodiscard]] const Tensor& tensor(int index) const {
    return tensors[static_cast<std::size_t>(index)];
  }
};

[[nodiscard]] int find_tensor(const Program& program, const std::string& name);
[[nodiscard]] const char* name_of(Kind kind);
[[nodiscard]] const char* name_of(Each each);
[[nodiscard]] const char* name_of(Section section);
[[nodiscard]] const char* name_of(Lfsr::Start start);
[[nodiscard]] bool find(const std::string& name, Kind& kind);
[[nodiscard]] bool find(const std::string& name, Each& each);
[[nodiscard]] bool find(const std::string& name, Lfsr::Start& start);

/// What an operation is, as its reader, its checks and its printers ask.
struct Traits {
  std::size_t inputs = 1;
  bool has_window = false;  ///< a place in the text; of dense layers it follows from the shapes
  bool is_product = false;
  bool is_reduction = false;  ///< over all samples
};
[[nodiscard]] Traits traits_of(Kind kind);
[[nodiscard]] bool is_dense(Kind kind);

/// Round(log2 m), m >= 1: the e with 2^(2 e - 1) < m^2 < 2^(2 e + 1).
[[nodiscard]] int exponent_of(std::uint64_t m);
/// The nearest number with at most so many significant bits, ties to even.
[[nodiscard]] std::int64_t significant(std::int64_t v, int bits);

/// Largest magnitude of a stochastic rounding at this shift: |x| 2^-e is below sqrt 2.
[[nodiscard]] std::int64_t largest_stochastic(int shift);

/// What keeps this from being a program that runs, "<JSON pointer>: <what>", or empty. What it
/// accepts the executor runs without leaving 64 bits on any images, labels and weights.
[[nodiscard]] std::string fault_of(const Program& program);
/// What the values of each tensor lie between; never wider than its type.
[[nodiscard]] std::vector<Interval> ranges_of(const Program& program);
/// What an operation makes of values between these; program::Fault that begins with `at` where
/// they can leave 62 bits.
[[nodiscard]] Interval range_behind(const Program& program, const std::vector<Interval>& ranges,
                                    const Op& op, const std::string& at);

}  // namespace qloom::step_program
