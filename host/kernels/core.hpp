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

/// Rounding rules as the loops are instantiated: numbers of these tables, not of the ABI.
///
/// The loops that quantize have the first kFusedRules of them inside, those of a grid kRare too.
/// Every other rounding goes tile by tile: the values in grid steps, one call of `round` or of a
/// rounding method, and the loop of kGiven on the results. Words are compared with at most 24 bits,
/// or with more (kStochasticWide). kStochastic and kStochasticWide cut the fraction off; they round
/// two's complement in affine, affine_mask and round, magnitudes in minifloat and accumulate_float.
enum Rule : std::uint32_t {
  kGiven,  // rounded already: take the results in RoundInput
  kNearestEven,
  kNearestAway,
  kTowardNegative,
  kStochastic,
  kStochasticWide,
  kFusedRules,
  kNearestUp = kFusedRules,
  kTowardZero,
  kTowardPositive,
  kStochasticEqual,
  kSumRules,  // accumulate_float has those before; kGiven is a table of its own there
  kStochasticGeneral = kSumRules,  // any argument of the rule
  kRules,
  kStochasticMagnitude = kRules,  // affine: at most 24 random bits
  kRare  // kNearestUp, kTowardZero or kTowardPositive, as RoundInput says: one loop for the three
};

/// What a rounding rule needs besides t.
struct RoundInput {
  const float* given;                       // rule kGiven: rounded values, indices as in x
  std::uint64_t seed, stream, step, first;  // stochastic rules: x[i] takes word first + i
  std::uint32_t bits;                       // stochastic: random bits used
  std::uint32_t flags;                      // kStochasticGeneral: QLOOM_STOCHASTIC_*
  std::uint32_t rule;                       // kRare: which Rule
};

/// How the elements of a run find their entries in tables.
enum Layout : std::uint32_t {
  kOneGroup = 0,  // entry 0 for all
  kColumns = 1,   // element i has entry i % count
  kGroups = 2,    // element i has entry (offset + i) / inner % count; offset 0 where inner is 2
  kLayouts = 3
};

/// Most lanes of a batch of floats.
enum : std::uint64_t { kWidest = 16 };

/// The numbers of a layout; count >= kWidest. A batch begins at an entry below count and reads past
/// count, where the first entries follow again: in kColumns its own, in kGroups any of kWidest.
struct GroupRun {
  std::uint64_t count, inner, offset;  // 2 <= inner, offset < inner
  /// Entry, from that of its first element on, of each element of a batch that begins k elements
  /// after a group does: those from step[k - low] on, or from step[0] on where k is below `low`.
  const std::int32_t* step;
  std::uint64_t low;
};

/// Tables of a uniform grid; no offset stands for zeros.
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
  bool is_nearest;  // kStochasticWide: QLOOM_STOCHASTIC_NEAREST_FRACTION
};

/// Largest run whose rounding is a call of its own: it stays in the L1 with what it is rounded to.
/// Unit: elements.
enum : std::uint64_t { kRunElements = 2048 };
/// Tables in which one histogram is counted.
enum : std::uint64_t { kHistogramTables = 4 };

/// Where an order statistic is looked for, and how many finite values lie below `low`, up to `low`
/// and up to `high`.
struct RankWindow {
  float low, high;
  std::uint64_t below, to_low, to_high;
};
/// Windows at once.
enum : std::uint64_t { kMostWindows = 4 };

struct Core {
  /// y or code may be null
  void (*affine[kFusedRules][kLayouts])(const GridRun&, const GroupRun&, const RoundInput&,
                                        const float* x, float* y, std::int32_t* code,
                                        std::uint64_t n) noexcept;
  /// kStochasticMagnitude
  void (*affine_magnitude[kLayouts])(const GridRun&, const GroupRun&, const RoundInput&,
                                     const float* x, float* y, std::int32_t* code,
                                     std::uint64_t n) noexcept;
  void (*affine_rare[kLayouts])(const GridRun&, const GroupRun&, const RoundInput&, const float* x,
                                float* y, std::int32_t* code, std::uint64_t n) noexcept;
  void (*affine_mask[kFusedRules][kLayouts])(const GridRun&, const GroupRun&, const RoundInput&,
                                             const float* x, const float* dy, float* dx,
                                             std::uint64_t n) noexcept;
  void (*affine_mask_rare[kLayouts])(const GridRun&, const GroupRun&, const RoundInput&,
                                     const float* x, const float* dy, float* dx,
                                     std::uint64_t n) noexcept;
  void (*affine_steps[kLayouts])(const GridRun&, const GroupRun&, const float* x, float* t,
                                 std::uint64_t n) noexcept;
  void (*affine_decode[kLayouts])(const GridRun&, const GroupRun&, const std::int32_t* code,
                                  float* y, std::uint64_t n) noexcept;
  void (*clip_backward[kLayouts])(const ClipRun&, const GroupRun&, const float* x, const float* dy,
                                  float* dx, std::uint64_t n) noexcept;
  void (*ternary[kLayouts])(const TernaryRun&, const GroupRun&, const float* x, float* y,
                            std::uint64_t n) noexcept;
  /// All but kGiven; y may be x.
  void (*round[kRules])(const RoundInput&, const float* x, float* y, std::uint64_t n) noexcept;
  /// y or code may be null
  void (*minifloat[kFusedRules])(const FloatSpec&, const RoundInput&, const float* x, float* y,
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
  /// Widens [lo[r], hi[r]] to the finite values of run r of n values; are all values finite?
  bool (*extremes_runs)(const float* x, std::uint64_t runs, std::uint64_t n, float* lo,
                        float* hi) noexcept;
  /// The same for columns.
  bool (*extremes_columns)(const float* x, std::uint64_t rows, std::uint64_t columns, float* lo,
                           float* hi) noexcept;
  /// Counts a run in kHistogramTables tables of 1 + bins places; place 0 is for NaN. The tables are
  /// `pitch` apart: all results are in their sum; pitch 0 is one table.
  void (*histogram_tables)(const float* x, std::uint64_t n, double lo, double bins_per_unit,
                           double last_bin, bool abs, std::uint32_t* tables,
                           std::uint64_t pitch) noexcept;
  /// Bins of a run, -1 for NaN.
  void (*histogram_bins)(const float* x, std::uint64_t n, double lo, double bins_per_unit,
                         double last_bin, bool abs, std::int32_t* bin) noexcept;
  /// Adds a run, of its magnitudes if abs, to the counts of 1 to kMostWindows windows; returns how
  /// many values lie strictly inside one of them, in `inside`. n < 2^24.
  std::uint64_t (*count_windows)(const float* x, std::uint64_t n, bool abs, RankWindow*,
                                 std::uint64_t windows, float* inside) noexcept;
  /// [1] wraps. Returns overflows, as the next one.
  std::uint64_t (*accumulate_integer[2])(const IntegerJob&) noexcept;
  /// All but kGiven.
  std::uint64_t (*accumulate_float[kSumRules])(const FloatJob&) noexcept;
  /// One addition of a row of results under a rounding method: sum[j] = s[j] + a * b[j]; what the
  /// method rounds; the results and how many overflowed. All but b are 64-byte aligned and have
  /// room for a multiple of kWidest.
  void (*add_products)(float a, const float* b, const double* s, double* sum,
                       std::uint64_t n) noexcept;
  void (*split_sums)(const FloatSpec&, const double* sum, float* part, std::uint64_t n) noexcept;
  std::uint64_t (*join_sums)(const FloatSpec&, const double* sum, const float* rounded, double* out,
                             std::uint64_t n) noexcept;
};

extern const Core kSse2Core;
extern const Core kAvx2Core;
extern const Core kAvx512Core;
extern const Core kNeonCore;

}  // namespace qloom::kernels
