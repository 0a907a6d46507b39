// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What a Contraction keeps between calls, and its two ways with oneDNN.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "host/contraction/codes.hpp"
#include "host/contraction/contraction.hpp"
#include "host/contraction/modelled.hpp"
#include "host/contraction/padded_input.hpp"
#include "host/contraction/slice_primitive.hpp"
#include "host/contraction/slices.hpp"
#include "host/contraction/source.hpp"
#include "host/tensor/tensor.hpp"

namespace qloom::contraction {

/// The forward role and the input gradient seen as one thing: samples of `left` times weights give
/// samples of `out`.
struct Sliced {
  Role role = Role::kForward;
  ContractionShape shape;
  Operand left, weights;
  Bias bias;
  float* out = nullptr;
  std::int64_t left_size = 0, out_size = 0;  ///< per sample
  std::int64_t out_channels = 0, k = 0;      ///< k: products per output
  std::int64_t* sums = nullptr;              ///< forward: also the integer sums; null: not wanted
};

/// How an exact contraction runs: in passes of float32 numbers or of bytes, with what is added to
/// the codes for those.
struct ExactPlan {
  Passes passes;
  double factor = 1;  ///< of the sums, without scales per channel
  bool in_bytes = false;
  std::int32_t left_shift = 0;

  [[nodiscard]] Source left(const Operand& operand, int index) const {
    return {operand, as(), passes.left, index, left_shift};
  }
  /// Weights, or the second operand of a weight gradient.
  [[nodiscard]] Source right(const Operand& operand, int index) const {
    return {operand, as(), passes.right, index, 0};
  }

 private:
  [[nodiscard]] Source::As as() const { return in_bytes ? Source::As::kByte : Source::As::kDigit; }
};

/// The product of the operands' scales, but for those per channel.
[[nodiscard]] inline double common_scale(const Operand& left, const Operand& right) {
  double factor = 1;
  for (const Operand* operand : {&left, &right}) {
    if (operand->scale_count == 1) factor *= double{*operand->scale};
  }
  return factor;
}

/// out = float(sum of the parts, in double, * factor)
template <class Sums>
void merge_parts(Sums parts, std::int64_t count, std::uint64_t size, double factor, float* out) {
  for_each_tile(size, [&](std::uint64_t first, std::uint64_t n) {
    constexpr std::uint64_t kBlock = 256;
    for (std::uint64_t b = first; b < first + n; b += kBlock) {
      const std::uint64_t m = std::min(kBlock, first + n - b);
      kernels::vectorized([=] {
        std::array<double, kBlock> sum{};
        for (std::int64_t p = 0; p < count; ++p) {
          const Sums part = parts.from(static_cast<std::uint64_t>(p) * size + b);
          for (std::uint64_t i = 0; i < m; ++i) sum[i] += part[i];
        }
        for (std::uint64_t i = 0; i < m; ++i) out[b + i] = static_cast<float>(sum[i] * factor);
      });
    }
  });
}

/// The sums as integers, before scale_sums() takes their place.
template <class Sums>
void copy_sums(Sums sum, std::int64_t channels, std::int64_t rows, std::int64_t* out) {
  for (std::int64_t r = 0; r < rows; ++r, sum = sum.from(static_cast<std::uint64_t>(channels))) {
    for (std::int64_t c = 0; c < channels; ++c) {
      *out++ = static_cast<std::int64_t>(sum[static_cast<std::uint64_t>(c)]);
    }
  }
}

/// out[r][c] = float((sum[r][c] + bias[c]) * factor[c]).
template <class Sums>
void scale_whole_sums(Sums sum, const std::vector<double>& factor, const double* bias,
                      std::int64_t rows, float* out) {
  const std::size_t channels = factor.size();
  kernels::vectorized([=, scale = factor.data()] {
    Sums from = sum;
    float* to = out;
    for (std::int64_t r = 0; r < rows; ++r, from = from.from(channels), to += channels) {
      QLOOM_INDEPENDENT_STEPS
      for (std::size_t c = 0; c < channels; ++c) {
        to[c] = static_cast<float>((from[c] + bias[c]) * scale[c] + 0.0);
      }
    }
  });
}

/// out[r][c] = float(sum[r][c] * factor[c]) + bias[c], or with a bias of integers
/// float((sum[r][c] + bias[c]) * factor[c]); sum may be out. A sum of -0 becomes 0, as an integer's
/// would.
template <class Sums>
void scale_sums(Sums sum, const std::vector<double>& factor, const Bias& added, std::int64_t rows,
                float* out) {
  if (added.integers != nullptr) return scale_whole_sums(sum, factor, added.integers, rows, out);
  const std::size_t channels = factor.size();
  const float* const bias = added.values;
  kernels::vectorized([=, scale = factor.data()] {
    Sums from = sum;
    float* to = out;
    for (std::int64_t r = 0; r < rows; ++r, from = from.from(channels), to += channels) {
      QLOOM_INDEPENDENT_STEPS
      for (std::size_t c = 0; c < channels; ++c) {
        to[c] = static_cast<float>(from[c] * scale[c] + 0.0);
      }
      if (bias == nullptr) continue;
      QLOOM_INDEPENDENT_STEPS
      for (std::size_t c = 0; c < channels; ++c) to[c] += bias[c];
    }
  });
}

/// Are 32-bit sums of products of bytes exact at any size? Proved once, by sums beyond 2^24.
[[nodiscard]] bool has_wide_bytes();

/// Work area of one thread inside a contraction.
struct Area {
  Tensor left, right, pass;
  std::vector<std::int64_t> sums;
};

/// Memory that a contraction needs while it runs and not between calls: shared by all contractions
/// that one thread runs, so that it is as large as the largest asks for.
struct Scratch {
  std::vector<Area> areas;
  std::vector<Tensor> digits, packed;  ///< of the weights; packed: two primitives per digit
  Tensor dense_x, dense_dy, partials;
  std::vector<std::int64_t> sums;
  std::vector<std::int32_t> correction;  ///< of one sample's sums
};

struct Contraction::State {
  /// The scratch memory of the calling thread, for the call to come.
  State& ready();

  // Real operands: contraction_real.cpp.
  void run_real(const Sliced& c);
  void real_weight_gradient(const ContractionShape& s, const Operand& x, const Operand& dy,
                            float* dw);
  // Integer-coded operands with one scale along k: contraction_exact.cpp.
  void run_exact(const Sliced& c);
  void exact_weight_gradient(const ContractionShape& s, const Operand& x, const Operand& dy,
                             float* dw);
  ModelledContraction modelled;
  PaddedInput padded;

 private:
  /// Work areas of all threads, whichever takes a slice: elements of each buffer.
  void reserve_areas(std::int64_t left, std::int64_t right, std::int64_t pass);
  SlicePrimitive& primitive(const PrimitiveKey& key);
  /// The primitive of a full slice and that of the last one (the same unless it is shorter).
  std::array<SlicePrimitive*, 2> slice_primitives(const PrimitiveKey& whole, const Slices& slices);
  void dense_weight_gradient(const ContractionShape& s, const Source& x, const Source& dy,
                             float* dw);
  /// Fills the partials with one weight gradient per slice of the batch and returns their number;
  /// with one slice only, its gradient goes to `single`.
  std::int64_t weight_parts(const ContractionShape& s, const Source& x, const Source& dy,
                            float* single);
  /// In one pass of bytes with sums of 32 bits: contraction_wide.cpp. False when it cannot be had
  /// so.
  bool run_wide(const Sliced& c);
  bool run_wide_slices(const Sliced& c, const ExactPlan& plan);
  /// What the shift of the left codes adds to each output of a sample; empty without a shift.
  void correct(const Sliced& c, const ExactPlan& plan, const void* weights);
  /// False when it cannot be had so.
  bool run_bytes(const Sliced& c, const Passes& passes);
  void run_passes(const Sliced& c, const ExactPlan& plan);
  /// One factor per output channel, into factors_.
  void set_factors(const Sliced& c, const ExactPlan& plan);
  /// Weights number `index` of both primitives.
  void set_weights(const std::array<SlicePrimitive*, 2>& primitives, std::size_t index,
                   const void* plain);
  void pack_weights(const Sliced& c, const ExactPlan& plan,
                    const std::array<SlicePrimitive*, 2>& primitives);
  void run_slice(const Sliced& c, const ExactPlan& plan, SlicePrimitive& chosen, std::size_t slot,
                 std::int64_t first, std::int64_t samples);
  /// The weight gradient in bytes: contraction_bytes.cpp. False when it cannot be had so.
  bool byte_weight_gradient(const ContractionShape& s, const Operand& x, const Operand& dy,
                            float* dw);
  void byte_weight_slice(const ContractionShape& s, const Source& x, const Source& dy,
                         std::size_t slot, std::int64_t first, std::int32_t* sums);

  std::vector<std::unique_ptr<SlicePrimitive>> primitives_;
  Scratch* scratch_ = nullptr;
  std::vector<double> factors_;  ///< one per output channel
  bool lacks_bytes_ = false, lacks_wide_ = false;
};

}  // namespace qloom::contraction
