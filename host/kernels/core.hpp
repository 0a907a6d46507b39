// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The inner loops of one instruction set, as a table. simd/ implements them as templates over the
// xsimd architecture, isa/ instantiates them, entries/ turns them into the functions of
// qloom_kernels: groups, tiles, random words, threads and errors live there, compiled once without
// instruction-set flags. Plain data only: the files of isa/ include this header.
#pragma once

#include <cstdint>

#include <qloom/abi.h>

#include "host/kernels/float_spec.hpp"

namespace qloom::kernels {

/// Rounding rules as the loops are instantiated: QLOOM_ROUND_* with two differences.
enum Rule : std::uint32_t {
  kGiven = 0,            // a rounding method has been called: take the results in RoundInput
  kStochasticWide = 9,   // stochastic with more than 24 random bits
  kRules = 10
};

/// What a rounding rule needs besides t; indices as in x.
struct RoundInput {
  const float* given;          // rule kGiven: rounded values
  const std::uint32_t* words;  // stochastic rules: random words
  std::uint32_t bits;          // stochastic: random bits used
};

/// Tables of a uniform grid: one entry for the whole run, or one for each element of it.
struct GridRun {
  const float *scale, *inv_scale, *zero_point, *offset, *code_min, *code_max;
};
struct ClipRun {
  const float *lo, *hi;
};
struct TernaryRun {
  const float *low_threshold, *high_threshold, *low, *high;
};

/// A tile with an integer register of at most 50 bits: register, and sum with a product of codes,
/// below 2^53.
struct IntegerJob {
  const qloom_tile* tile;
  std::uint32_t width;
};

/// A tile with a float accumulator.
struct FloatJob {
  const qloom_tile* tile;
  FloatSpec spec;
  std::uint64_t chunk, additions;  // products per chunk; random words per result
  std::uint64_t seed, stream, step;
  std::uint32_t bits;
};

/// Largest run of the loops with random words or expanded tables. Unit: elements.
enum : std::uint64_t { kRunElements = 1024 };

/// Second index of the pairs below: 0 one table entry for the run, 1 one entry per element.
struct Core {
  void (*affine_value[kRules][2])(const GridRun&, const RoundInput&, const float* x, float* y,
                                  std::uint64_t n) noexcept;
  void (*affine_code[kRules][2])(const GridRun&, const RoundInput&, const float* x,
                                 std::int32_t* code, std::uint64_t n) noexcept;
  void (*affine_mask[kRules][2])(const GridRun&, const RoundInput&, const float* x, const float* dy,
                                 float* dx, std::uint64_t n) noexcept;
  void (*affine_steps[2])(const GridRun&, const float* x, float* t, std::uint64_t n) noexcept;
  void (*affine_decode[2])(const GridRun&, const std::int32_t* code, float* y,
                           std::uint64_t n) noexcept;
  void (*clip_backward[2])(const ClipRun&, const float* x, const float* dy, float* dx,
                           std::uint64_t n) noexcept;
  void (*ternary[2])(const TernaryRun&, const float* x, float* y, std::uint64_t n) noexcept;
  void (*round[kRules])(const RoundInput&, const float* x, float* y, std::uint64_t n) noexcept;
  void (*minifloat_value[kRules])(const FloatSpec&, const RoundInput&, const float* x, float* y,
                                  std::uint64_t n) noexcept;
  void (*minifloat_code[kRules])(const FloatSpec&, const RoundInput&, const float* x,
                                 std::int32_t* code, std::uint64_t n) noexcept;
  void (*minifloat_steps)(const FloatSpec&, const float* x, float* t, std::uint64_t n) noexcept;
  void (*minifloat_decode)(const FloatSpec&, const std::int32_t* code, float* y,
                           std::uint64_t n) noexcept;
  void (*random_u32)(std::uint64_t seed, std::uint64_t stream, std::uint64_t step,
                     std::uint64_t first, std::uint32_t* out, std::uint64_t n) noexcept;
  /// Index QLOOM_REDUCE_MIN .. QLOOM_REDUCE_NONFINITE; one tile of a run.
  double (*reduce_tile[QLOOM_REDUCE_COUNT])(const float* x, std::uint64_t n,
                                            double center) noexcept;
  /// figure[c] becomes figure[c] combined with rows of x, ascending; x rows are `pitch` apart.
  void (*reduce_columns[QLOOM_REDUCE_COUNT])(const float* x, std::uint64_t rows,
                                             std::uint64_t pitch, std::uint64_t columns,
                                             const double* center, double* figure) noexcept;
  /// Bins of a run, -1 for NaN.
  void (*histogram_bins)(const float* x, std::uint64_t n, double lo, double bins_per_unit,
                         double last_bin, bool abs, std::int32_t* bin) noexcept;
  /// [1] wraps. Returns overflows, as the next one.
  std::uint64_t (*accumulate_integer[2])(const IntegerJob&) noexcept;
  std::uint64_t (*accumulate_float[kRules])(const FloatJob&) noexcept;
};

extern const Core kSse2Core;
extern const Core kAvx2Core;
extern const Core kAvx512Core;

}  // namespace qloom::kernels
