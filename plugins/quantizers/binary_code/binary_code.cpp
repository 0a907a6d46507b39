// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Weights as a sum of binary tensors with scales. A sign is that of a residual, which is w minus a
// constant on an interval of w; so every fit is a partition of the real line into at most 2^bits
// intervals, and needs of the weights only the number and the sum in each.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <qloom/grids/bases.hpp>
#include <qloom/grids/levels.hpp>
#include <qloom/grids/sorted_group.hpp>
#include <qloom/math/linear.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

constexpr std::size_t kMostPlanes = 4;
using Scales = std::array<double, kMostPlanes>;

/// The values from `from` to the next interval's `from`, and the signs of their planes as bits.
struct Interval {
  double from;
  unsigned signs;

  [[nodiscard]] double sign(std::size_t plane) const { return (signs >> plane & 1U) != 0 ? 1 : -1; }
  [[nodiscard]] double value(const Scales& scales, std::size_t planes) const {
    double sum = 0;
    for (std::size_t j = 0; j < planes; ++j) sum += scales[j] * sign(j);
    return sum;
  }
  friend bool operator==(const Interval& a, const Interval& b) {
    return a.from == b.from && a.signs == b.signs;
  }
};
using Intervals = std::vector<Interval>;

/// body(interval, number of values in it, their sum)
template <class Body>
void for_each_interval(const SortedGroup& w, const Intervals& all, const Body& body) {
  std::size_t begin = 0;
  for (std::size_t k = 0; k < all.size(); ++k) {
    const std::size_t end = k + 1 < all.size() ? w.below(all[k + 1].from) : w.size();
    body(all[k], static_cast<double>(end - begin), w.sum(begin, end));
    begin = end;
  }
}

/// Scales of the least squared error for the signs as they are; false and unchanged where the
/// planes do not tell them.
bool solve(const SortedGroup& w, const Intervals& intervals, std::size_t planes, Scales& scales) {
  std::vector<double> a(planes * planes), b(planes);  // normal equations
  for_each_interval(w, intervals, [&](const Interval& cell, double count, double sum) {
    for (std::size_t i = 0; i < planes; ++i) {
      for (std::size_t j = 0; j < planes; ++j)
        a[i * planes + j] += count * cell.sign(i) * cell.sign(j);
      b[i] += sum * cell.sign(i);
    }
  });
  const auto [found, rank] = linear::least_squares(planes, planes, a, b);
  if (rank < planes) return false;
  std::copy(found.begin(), found.end(), scales.begin());
  return true;
}

/// One more plane: the sign of what the planes before it leave, 0 being positive.
Intervals split(const Intervals& before, const Scales& scales, std::size_t plane) {
  Intervals all;
  for (std::size_t k = 0; k < before.size(); ++k) {
    const Interval& cell = before[k];
    const double end = k + 1 < before.size() ? before[k + 1].from : HUGE_VAL;
    const double at = cell.value(scales, plane);
    if (at > cell.from) all.push_back(cell);
    if (at < end) all.push_back({std::max(at, cell.from), cell.signs | 1U << plane});
  }
  return all;
}

/// The intervals in which each of the 2^planes sums is the nearest; a value in the middle of two
/// goes to the larger one.
Intervals nearest_sums(const Scales& scales, std::size_t planes) {
  Intervals all;
  for (unsigned signs = 0; signs < 1U << planes; ++signs) all.push_back({0, signs});
  std::stable_sort(all.begin(), all.end(), [&](const Interval& a, const Interval& b) {
    return a.value(scales, planes) < b.value(scales, planes);
  });
  all[0].from = -HUGE_VAL;
  for (std::size_t k = 1; k < all.size(); ++k) {
    all[k].from = (all[k - 1].value(scales, planes) + all[k].value(scales, planes)) / 2.0;
  }
  return all;
}

/// encoding:  sum of bases: bit j - 1 of a code says that b_j = +1
class BinaryCode : public Levels {  // one level for each interval in ascending order
 public:
  static constexpr std::uint32_t kCaps = QLOOM_QUANTIZER_WANTS_TENSOR;

  explicit BinaryCode(const Params& params)
      : planes_(static_cast<std::size_t>(params.integer("/bits"))),
        is_refined_(params.text("/fit") != "greedy"),
        alternates_(params.text("/fit") == "alternating"),
        bases_(static_cast<std::uint32_t>(planes_)) {}

  void prepare(const qloom_prepare& in) {
    require_finite(in.x);
    const std::size_t size = std::size_t{1} << planes_;
    begin(in.x.groups, size);
    bases_.resize(in.x.groups);
    signs_.resize(in.x.groups * size);
    for (std::size_t g = 0; g < in.x.groups; ++g) {
      const auto [intervals, scales] = fit(SortedGroup::of(in.x, g));
      bases_.set(g, scales.data());
      float *const level = levels(g), *const end = thresholds(g);
      for (std::size_t k = 0; k < size; ++k) {
        const Interval& own = intervals[std::min(k, intervals.size() - 1)];
        level[k] = bases_.value(g, own.signs);
        signs_[g * size + k] = static_cast<std::int32_t>(own.signs);
        if (k > 0 && k < intervals.size()) end[k - 1] = below_all_from(own.from);
      }
    }
  }
  void encode(const qloom_call& call, const qloom_block& block, const float* x,
              std::int32_t* code) const noexcept {
    Levels::encode(call, block, x, code);  // numbers of intervals
    for_each_run(block, [&](std::uint64_t begin, std::uint64_t count, std::uint64_t group) {
      const std::int32_t* const signs = signs_.data() + (group << planes_);
      for (std::uint64_t i = begin; i < begin + count; ++i) code[i] = signs[code[i]];
    });
  }
  void decode(const qloom_block& block, const std::int32_t* code, float* y) const noexcept {
    bases_.decode(block, code, y);
  }
  void encoding(qloom_encoding& out) const { bases_.encoding(out); }

 private:
  [[nodiscard]] std::pair<Intervals, Scales> fit(const SortedGroup& w) const {
    Intervals intervals{{-HUGE_VAL, 0}};
    Scales scales{};
    for (std::size_t plane = 0; plane < planes_; ++plane) {
      intervals = split(intervals, scales, plane);
      double sum = 0;  // of the magnitudes that are left
      for_each_interval(w, intervals, [&](const Interval& cell, double count, double own) {
        sum += cell.sign(plane) * (own - count * cell.value(scales, plane));
      });
      scales[plane] = sum / std::max(static_cast<double>(w.size()), 1.0);
      if (is_refined_) solve(w, intervals, plane + 1, scales);
    }
    for (int round = 0; alternates_ && round < 50; ++round) {
      Intervals nearest = nearest_sums(scales, planes_);
      if (nearest == intervals || !solve(w, nearest, planes_, scales)) break;
      intervals = std::move(nearest);
    }
    return {std::move(intervals), scales};
  }

  std::size_t planes_;
  bool is_refined_, alternates_;
  Bases bases_;
  std::vector<std::int32_t> signs_;  // [groups][intervals]
};

}  // namespace

QLOOM_METHODS(Quantizer<BinaryCode>)
