// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Small dense systems in double by the host's service qloom.linear/1: nothing is linked. Matrices
// are row-major. The same bits on every machine.
#pragma once

#include <cstdint>
#include <vector>

#include <qloom/support.hpp>

namespace qloom::sdk::linear {

namespace detail {

inline const qloom_linear_api& service() {
  if (services.linear == nullptr)
    throw Error(QLOOM_E_UNSUPPORTED, "the host has no qloom.linear/1");
  return *services.linear;
}
/// call(service, where its message goes)
template <class Call>
void called(const Call& call) {
  qloom_error error{};
  error.struct_size = sizeof error;
  const qloom_status status = call(service(), &error);
  if (status != QLOOM_OK) throw Error(status, error.message);
}
inline void require_size(const char* name, std::size_t found, std::uint64_t rows,
                         std::uint64_t columns) {
  if (found == rows * columns) return;
  throw Error(QLOOM_E_INVALID,
              concat(name, " has ", found, " values, expected ", rows, " x ", columns));
}

}  // namespace detail

struct LeastSquares {
  std::vector<double> x;  // [n][columns]
  std::uint64_t rank;     // of a
};
/// Of all x that minimise ||a x - b|| the one of least norm; a may have any rank.
///
/// shape:       a is [m][n], b [m][columns]
/// errors:      a size of 0, a value that is not finite in a, b or x
[[nodiscard]] inline LeastSquares least_squares(std::uint64_t m, std::uint64_t n,
                                                const std::vector<double>& a,
                                                const std::vector<double>& b,
                                                std::uint64_t columns = 1) {
  detail::require_size("a", a.size(), m, n);
  detail::require_size("b", b.size(), m, columns);
  LeastSquares found{std::vector<double>(n * columns), 0};
  detail::called([&](const qloom_linear_api& api, qloom_error* error) {
    return api.least_squares(m, n, a.data(), columns, b.data(), found.x.data(), &found.rank, error);
  });
  return found;
}

/// x with a x = b.
///
/// shape:       a is [n][n], symmetric (its lower triangle is read) and positive definite; b and x
///              are [n][columns]
/// errors:      as least_squares(), and an a that is not positive definite
[[nodiscard]] inline std::vector<double> cholesky_solve(std::uint64_t n,
                                                        const std::vector<double>& a,
                                                        const std::vector<double>& b,
                                                        std::uint64_t columns = 1) {
  detail::require_size("a", a.size(), n, n);
  detail::require_size("b", b.size(), n, columns);
  std::vector<double> x(n * columns);
  detail::called([&](const qloom_linear_api& api, qloom_error* error) {
    return api.cholesky_solve(n, a.data(), columns, b.data(), x.data(), error);
  });
  return x;
}

struct SymmetricEigen {
  std::vector<double> values;   // [n], ascending
  std::vector<double> vectors;  // [n][n]: column j belongs to value j; of length 1, its entry of
                                // largest magnitude (the first such) positive
};
/// shape:       a is [n][n], symmetric: its lower triangle is read
/// errors:      a size of 0, a value that is not finite
[[nodiscard]] inline SymmetricEigen symmetric_eigen(std::uint64_t n, const std::vector<double>& a) {
  detail::require_size("a", a.size(), n, n);
  SymmetricEigen found{std::vector<double>(n), std::vector<double>(n * n)};
  detail::called([&](const qloom_linear_api& api, qloom_error* error) {
    return api.symmetric_eigen(n, a.data(), found.values.data(), found.vectors.data(), error);
  });
  return found;
}

}  // namespace qloom::sdk::linear
