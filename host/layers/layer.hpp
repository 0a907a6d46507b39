// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A layer of a model, and what a layer type is: one record, written in host/layers/<type>.cpp. The
// rest of the program asks the record and never which type it is.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "host/contraction/contraction.hpp"

namespace qloom::layers {

using contraction::ContractionShape;

/// Shape of one sample, NHWC without N; a vector is 1 x 1 x channels.
struct SampleShape {
  std::int64_t height = 1, width = 1, channels = 1;
  [[nodiscard]] std::int64_t size() const { return height * width * channels; }
  bool operator==(const SampleShape&) const = default;
};

/// Which sign values of an output may have.
enum class Sign { kAny, kNotNegative, kOfInputs };

struct LayerType;
class Reader;

/// inputs: indices of earlier layers; -1 is the network's input. A layer of the file without
/// "input" takes the layer before it. "conv" with "groups": "channels" is depthwise.
struct Layer {
  std::string name;
  const LayerType* type = nullptr;
  std::vector<int> inputs;
  SampleShape in, out;  ///< in: of the first input
  std::int64_t kernel_h = 1, kernel_w = 1, stride_h = 1, stride_w = 1, groups = 1;
  std::int64_t dilation_h = 1, dilation_w = 1;
  std::int64_t pad_top = 0, pad_bottom = 0, pad_left = 0, pad_right = 0;
  Sign sign = Sign::kAny;  ///< of the type, unless a key decides
  bool has_bias = false;
  std::string initialisation = "he";  ///< conv, dense: "he" (normal, 2/fan_in) or "uniform"
                                      ///< (He et al., 2015: +-sqrt(6/fan_in))
  float value = 0;                    ///< pad: what stands around the image
  float slope = 0;                    ///< leaky_relu: of negative values
  float rate = 0;                     ///< dropout: share of the values that become 0
  std::uint64_t stream = 0;           ///< dropout: of its random words

  [[nodiscard]] bool is_contraction() const;
  [[nodiscard]] bool is_norm() const;
};

/// The present pass, as far as layers see it.
struct Step {
  std::uint64_t seed = 0, step = 0;
  bool training = false;
};

/// Elements first .. first + n - 1 of a tensor; pointers stand at element `first`.
struct Chunk {
  std::uint64_t first = 0, n = 0;
};

/// A type that works element by element: the pass over a block does the work of its neighbours too.
/// In which chunks a tensor is handed out must not change a bit.
struct Elementwise {
  enum class Reads { kNothing, kInput, kOutput };

  /// y of x, and of the second input where the type has two; y may be x.
  void (*forward)(const Layer&, const Step&, Chunk, const float* x, const float* second,
                  float* y) noexcept = nullptr;
  /// dx of dy; `seen` is what `reads` says; dx may be dy. Null: each input gets dy as it is, unless
  /// the type has a gradient for whole tensors.
  void (*gradient)(const Layer&, const Step&, Chunk, const float* seen, const float* dy,
                   float* dx) noexcept = nullptr;
  Reads reads = Reads::kNothing;
};

/// The inputs of a layer, whole.
struct Inputs {
  std::int64_t batch = 1;
  std::span<const float* const> values;  ///< of a gradient only where the type reads_inputs
  std::span<const SampleShape> shapes;
};

/// A type that works on whole tensors, on all threads.
struct Whole {
  /// places: the layer's own memory from here to its gradient.
  void (*forward)(const Layer&, const Inputs&, float* y,
                  std::vector<std::int32_t>& places) = nullptr;
  /// dx of input number `input`; does not read the old dx.
  void (*gradient)(const Layer&, const Inputs&, const std::vector<std::int32_t>& places,
                   const float* dy, std::size_t input, float* dx) = nullptr;
  bool reads_inputs = false;  ///< the gradient reads the inputs' values
};

/// y = min(max(x, low), high)
struct Clamp {
  double low = 0, high = 0;
};

/// What a layer makes of integer codes, where all that it reads has them.
enum class OfCodes {
  kValues,  ///< real values
  kChosen,  ///< the largest code of each window
  kMoved,   ///< the same codes in another shape
  kBeside,  ///< those of its inputs side by side; several scales stay with their channels
  kSum,     ///< their sum, where they have one scale
  kMean     ///< the sum of each window over the number of its elements inside
};

/// What one layer type is. It does its work in one of five ways: `contraction`, `is_norm`,
/// `elementwise`, `whole`, `same_bytes`; tests/layers/table_test.cpp holds them to one.
struct LayerType {
  static constexpr int kMany = 1 << 20;

  const char* name = "";
  std::array<const char*, 10> keys{};  ///< of the model file beside name, type, input; then null
  int least_inputs = 1, most_inputs = 1;
  /// Reads the keys and sets the output's shape, which is that of the first input before. Null:
  /// there is nothing to read.
  void (*read)(Reader&, Layer&) = nullptr;

  /// Convolution or matrix product: has weights, and the sites of what it reads, weight, bias,
  /// error, accumulator and update.
  ContractionShape (*contraction)(const Layer&, std::int64_t batch) = nullptr;
  bool is_norm = false;  ///< the pipeline chooses the method; has the sites of the method's parts
  Elementwise elementwise{};
  Whole whole{};
  bool same_bytes = false;  ///< the input's values in another shape

  Sign sign = Sign::kAny;
  OfCodes of_codes = OfCodes::kValues;
  std::optional<Clamp> clamp{};        ///< all that an element-wise type does
  bool acts_in_training_only = false;  ///< hands its input on otherwise
  bool hands_input_on = false;         ///< a contraction behind it still reads the network's input

  /// Each output is the largest value of a window.
  [[nodiscard]] constexpr bool takes_largest() const { return of_codes == OfCodes::kChosen; }
};

inline bool Layer::is_contraction() const { return type->contraction != nullptr; }
inline bool Layer::is_norm() const { return type->is_norm; }

/// All types, by name; the build makes the list of the files in host/layers.
[[nodiscard]] std::span<const LayerType* const> table();
/// The type of this name; null when there is none.
[[nodiscard]] const LayerType* find_type(const std::string& name);

}  // namespace qloom::layers
