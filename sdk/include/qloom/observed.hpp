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
#include <qloom/vectorized.hpp>

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

/// sum_groups() over the finite values: body(entry, value) gives the terms of one, a
/// std::array of double.
template <class OfGroup, class Body>
[[nodiscard]] std::vector<double> sum_finite(const qloom_tensor& x, std::vector<double>& scratch,
                                             const OfGroup& of_group, const Body& body) {
  return sum_groups(x, scratch, of_group,
                    [&body, data = x.data](const auto& entry, std::uint64_t i) {
                      const double value = data[i];
                      const bool is_finite = value - value == 0.0;
                      auto terms = body(entry, is_finite ? value : 0.0);
                      for (auto& term : terms) term = is_finite ? term : 0.0;
                      return terms;
                    });
}

/// Adds sum_finite(...) of one more tensor to the sums of those before; the first sets their
/// number.
template <class OfGroup, class Body>
void add_finite(std::vector<double>& sums, const qloom_tensor& x, std::vector<double>& scratch,
                const OfGroup& of_group, const Body& body) {
  const std::vector<double> more = sum_finite(x, scratch, of_group, body);
  if (sums.empty()) sums.assign(more.size(), 0.0);
  if (sums.size() != more.size()) {
    const std::size_t terms = more.size() / x.groups;
    throw Error(QLOOM_E_INVALID, concat("a tensor of ", x.groups,
                                        " groups was observed after one of ", sums.size() / terms));
  }
  for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += more[i];
}

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

/// Of a loaded state.
///
/// errors: QLOOM_E_STATE where the arrays differ in length
template <class... Vectors>
void require_equal_sizes(const std::vector<double>& first, const Vectors&... others) {
  if (((others.size() == first.size()) && ...)) return;
  throw Error(QLOOM_E_STATE, concat("arrays of one entry per group differ in length: ",
                                    first.size(), (concat(", ", others.size()) + ...)));
}

/// Of a loaded state: sums of `terms` terms for each of `groups` groups.
///
/// errors: QLOOM_E_STATE for another length
inline void require_terms(const std::vector<double>& sums, std::size_t terms, std::size_t groups) {
  if (sums.size() == terms * groups) return;
  throw Error(QLOOM_E_STATE,
              concat(sums.size(), " sums of ", groups, " groups, expected ", terms, " for each"));
}

/// Answers ranges(); lo > hi means that the group saw no finite value.
///
/// errors: QLOOM_E_ORDER for such a group or before any data, QLOOM_E_INVALID for another number of
///         groups, QLOOM_E_STATE where lo and hi, as a damaged state has them, differ in length
inline void write_ranges(std::span<qloom_range> out, const std::vector<double>& lo,
                         const std::vector<double>& hi) {
  require_equal_sizes(lo, hi);
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
