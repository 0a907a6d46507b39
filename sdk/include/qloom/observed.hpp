// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What range estimators share: finite values only, one figure per group, one error for none.
#pragma once

#include <cmath>
#include <limits>
#include <span>
#include <vector>

#include <qloom/support.hpp>

namespace qloom::sdk {

/// A tensor with its NaN and infinities replaced; the tensor itself when all values are finite.
class Finite {
 public:
  Finite(const qloom_tensor& x, float replacement)
      : tensor_(x), skipped_(reduce(x, QLOOM_REDUCE_NONFINITE)) {
    double total = 0;
    for (const double count : skipped_) total += count;
    if (total == 0) return;
    values_.assign(x.data, x.data + x.n);
    for (float& v : values_) {
      if (!std::isfinite(v)) v = replacement;
    }
    tensor_.data = values_.data();
  }
  Finite(const Finite&) = delete;
  Finite& operator=(const Finite&) = delete;

  [[nodiscard]] const qloom_tensor& tensor() const noexcept { return tensor_; }
  /// Replaced values per group.
  [[nodiscard]] const std::vector<double>& skipped() const noexcept { return skipped_; }

 private:
  qloom_tensor tensor_;
  std::vector<double> skipped_;
  std::vector<float> values_;
};

/// Smallest and largest finite value per group; lo = +inf, hi = -inf for a group without one.
struct Extremes {
  std::vector<double> lo, hi;
};

[[nodiscard]] inline Extremes finite_extremes(const qloom_tensor& x) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  Extremes e{reduce(x, QLOOM_REDUCE_MIN), reduce(x, QLOOM_REDUCE_MAX)};  // both skip NaN
  bool has_infinity = false;
  for (std::uint64_t g = 0; g < x.groups; ++g) {
    has_infinity = has_infinity || e.lo[g] == -kInfinity || e.hi[g] == kInfinity;
  }
  if (!has_infinity) return e;
  const Finite finite(x, std::numeric_limits<float>::quiet_NaN());
  return {reduce(finite.tensor(), QLOOM_REDUCE_MIN), reduce(finite.tensor(), QLOOM_REDUCE_MAX)};
}

/// Gives `values` one entry per group at the first tensor; later ones must have as many groups.
///
/// errors: QLOOM_E_INVALID when the number of groups changed
template <class T>
void match_groups(std::vector<T>& values, std::uint64_t groups, T initial) {
  if (values.empty()) values.assign(groups, initial);
  if (values.size() != groups) {
    throw Error(QLOOM_E_INVALID, concat("a tensor of ", groups,
                                        " groups was observed after one of ", values.size()));
  }
}

/// Merges the extremes of one more tensor into lo and hi.
inline void widen(std::vector<double>& lo, std::vector<double>& hi, const Extremes& e) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  match_groups(lo, e.lo.size(), kInfinity);
  match_groups(hi, e.hi.size(), -kInfinity);
  for (std::size_t g = 0; g < lo.size(); ++g) {
    if (e.lo[g] < lo[g]) lo[g] = e.lo[g];
    if (e.hi[g] > hi[g]) hi[g] = e.hi[g];
  }
}

/// Answers ranges(); lo > hi means that the group saw no finite value.
///
/// errors: QLOOM_E_ORDER for such a group or before any data, QLOOM_E_INVALID for another number of
///         groups
inline void write_ranges(std::span<qloom_range> out, const std::vector<double>& lo,
                         const std::vector<double>& hi) {
  if (lo.empty()) throw Error(QLOOM_E_ORDER, "no finite value was observed");
  if (out.size() != lo.size()) {
    throw Error(QLOOM_E_INVALID,
                concat(out.size(), " ranges are asked for, the observed tensors have ", lo.size(),
                       " groups"));
  }
  for (std::size_t g = 0; g < lo.size(); ++g) {
    if (!(lo[g] <= hi[g])) {
      throw Error(QLOOM_E_ORDER, concat("no finite value was observed in group ", g));
    }
    out[g] = {lo[g], hi[g]};
  }
}

}  // namespace qloom::sdk
