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

/// Smallest and largest finite value per group, +inf and -inf for a group without one, and the
/// number of NaN and infinities. Kept between tensors, so that finding them allocates nothing.
struct Extremes {
  std::vector<double> lo, hi;
  std::vector<std::uint64_t> nonfinite;

  /// One pass over x.
  void find(const qloom_tensor& x) {
    lo.resize(x.groups);
    hi.resize(x.groups);
    nonfinite.resize(x.groups);
    kernels().extremes(&x, lo.data(), hi.data(), nonfinite.data());
  }
  [[nodiscard]] bool all_finite() const {
    for (const std::uint64_t count : nonfinite) {
      if (count > 0) return false;
    }
    return true;
  }
};

/// A tensor with its NaN and infinities replaced; the tensor itself when there are none, as its
/// extremes tell.
class Finite {
 public:
  Finite(const qloom_tensor& x, const Extremes& extremes, float replacement) : tensor_(x) {
    if (extremes.all_finite()) return;
    values_.assign(x.data, x.data + x.n);
    for (float& v : values_) {
      if (!std::isfinite(v)) v = replacement;
    }
    tensor_.data = values_.data();
  }
  Finite(const Finite&) = delete;
  Finite& operator=(const Finite&) = delete;

  [[nodiscard]] const qloom_tensor& tensor() const noexcept { return tensor_; }

 private:
  qloom_tensor tensor_;
  std::vector<float> values_;
};

/// Merges the extremes of one more tensor into lo and hi.
inline void widen(std::vector<double>& lo, std::vector<double>& hi,
                  std::span<const double> tensor_lo, std::span<const double> tensor_hi) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  match_groups(lo, tensor_lo.size(), kInfinity);
  match_groups(hi, tensor_hi.size(), -kInfinity);
  for (std::size_t g = 0; g < lo.size(); ++g) {
    if (tensor_lo[g] < lo[g]) lo[g] = tensor_lo[g];
    if (tensor_hi[g] > hi[g]) hi[g] = tensor_hi[g];
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
