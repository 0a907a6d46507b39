// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Optional: tensors, blocks and vectors as xtensor arrays, so that a whole-tensor method can be
// written as array expressions. Nothing is copied; a view lives as long as the call it was made in.
// Needs the xtensor headers (find_package(xtensor)); of the SDK only grids/k_means.hpp includes
// this file.
//
// The host's kernels (qloom::sdk::kernels(), reduce()) are faster and add up in a fixed order; use
// array expressions for what they do not offer, and for minima, maxima, sorting and counting, which
// do not depend on the order.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include <xtensor/xadapt.hpp>
#include <xtensor/xtensor.hpp>

#include <qloom/support.hpp>

namespace qloom::sdk {

namespace detail {

inline const float* told_data(const qloom_tensor& x) {
  if (x.data == nullptr && x.n > 0) {
    throw Error(QLOOM_E_ORDER, "only the tensor's geometry is told here, expected its data");
  }
  return x.data;
}

}  // namespace detail

/// The tensor with its own shape, row major.
///
/// errors:      QLOOM_E_ORDER when only the geometry is told
[[nodiscard]] inline auto view(const qloom_tensor& x) {
  std::vector<std::size_t> shape(x.shape, x.shape + x.rank);
  return xt::adapt(detail::told_data(x), static_cast<std::size_t>(x.n), xt::no_ownership(), shape);
}

/// The tensor as (outer, groups, inner): reduce over axes 0 and 2 for one figure per group.
///
/// errors:      QLOOM_E_ORDER when only the geometry is told; QLOOM_E_UNSUPPORTED when the last
///              group is short (groups of k elements that do not divide the tensor)
[[nodiscard]] inline auto grouped_view(const qloom_tensor& x) {
  if (x.outer * x.groups * x.inner != x.n) {
    throw Error(QLOOM_E_UNSUPPORTED, concat(x.groups, " groups of ", x.inner, " elements and ", x.n,
                                            " elements in all: the last group is short"));
  }
  const std::array<std::size_t, 3> shape{static_cast<std::size_t>(x.outer),
                                         static_cast<std::size_t>(x.groups),
                                         static_cast<std::size_t>(x.inner)};
  return xt::adapt(detail::told_data(x), static_cast<std::size_t>(x.n), xt::no_ownership(), shape);
}

using Doubles = xt::xtensor<double, 1>;

/// A vector's values, (n).
template <class T>
[[nodiscard]] auto view(const std::vector<T>& values) {
  return xt::adapt(values, std::array<std::size_t, 1>{values.size()});
}

/// The values x of a block, (n).
[[nodiscard]] inline auto view(const qloom_block& block, const float* x) {
  const std::array<std::size_t, 1> shape{static_cast<std::size_t>(block.n)};
  return xt::adapt(x, static_cast<std::size_t>(block.n), xt::no_ownership(), shape);
}
/// The same, to be written.
[[nodiscard]] inline auto view(const qloom_block& block, float* x) {
  const std::array<std::size_t, 1> shape{static_cast<std::size_t>(block.n)};
  return xt::adapt(x, static_cast<std::size_t>(block.n), xt::no_ownership(), shape);
}

}  // namespace qloom::sdk
