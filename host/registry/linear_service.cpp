// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// qloom.linear/1 by Eigen, which is included here alone. registry.cmake has it compiled without
// vectorization and threads. Only algorithms are used whose order of operations follows from the
// sizes alone: right-hand sides are solved one by one, and the Cholesky decomposition is the one of
// columns (LDLT), since Eigen cuts products of matrices by the size of the processor's caches.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <new>
#include <string>

#include <fmt/format.h>
#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>
#include <Eigen/QR>

#include "host/registry/services.hpp"

namespace qloom::registry {
namespace {

using Eigen::Index;
using Matrix = Eigen::MatrixXd;

constexpr std::uint64_t kMostRows = std::uint64_t{1} << 31;

struct Refusal {
  qloom_status code;
  std::string message;
};

/// A size as Eigen has it. Refused: 0 and what no memory holds.
Index size_of(const char* name, std::uint64_t size) {
  if (size >= 1 && size <= kMostRows) return static_cast<Index>(size);
  throw Refusal{QLOOM_E_INVALID, fmt::format("{} is {}, expected 1 to {}", name, size, kMostRows)};
}
void require_array(const char* name, const void* values) {
  if (values != nullptr) return;
  throw Refusal{QLOOM_E_INVALID, fmt::format("{} is NULL, expected an array", name)};
}

/// values * 2^exponent is what was given: magnitudes below 1, so that no square leaves the range of
/// double.
struct Scaled {
  Matrix values;
  int exponent;
};
/// Row-major; of a symmetric matrix the lower triangle is read. Refused: what is not finite.
Scaled scaled(const char* name, const double* given, Index rows, Index columns,
              bool is_symmetric = false) {
  require_array(name, given);
  Scaled out{Matrix(rows, columns), 0};
  double largest = 0;
  for (Index i = 0; i < rows; ++i) {
    for (Index j = 0; j < (is_symmetric ? i + 1 : columns); ++j) {
      const double v = given[i * columns + j];
      if (!std::isfinite(v)) {
        throw Refusal{QLOOM_E_NUMERIC,
                      fmt::format("{}[{}][{}] is {}, expected a finite value", name, i, j, v)};
      }
      out.values(i, j) = v;
      if (is_symmetric) out.values(j, i) = v;
      largest = std::max(largest, std::abs(v));
    }
  }
  std::frexp(largest, &out.exponent);
  for (double& v : out.values.reshaped()) v = std::ldexp(v, -out.exponent);
  return out;
}

/// values * 2^exponent. Refused: what is not finite then.
Matrix unscaled(const char* name, Matrix values, int exponent) {
  for (Index i = 0; i < values.rows(); ++i) {
    for (Index j = 0; j < values.cols(); ++j) {
      double& v = values(i, j);
      v = std::ldexp(v, exponent);
      if (std::isfinite(v)) continue;
      throw Refusal{QLOOM_E_NUMERIC,
                    fmt::format("{}[{}][{}] is {}, expected a finite value", name, i, j, v)};
    }
  }
  return values;
}
template <class Decomposition>
Matrix solved(const Decomposition& of_a, int exponent_of_a, const Scaled& b) {
  Matrix x(of_a.cols(), b.values.cols());
  for (Index c = 0; c < x.cols(); ++c) x.col(c) = of_a.solve(Eigen::VectorXd(b.values.col(c)));
  return unscaled("x", std::move(x), b.exponent - exponent_of_a);
}
void store(const Matrix& values, double* out) {
  for (Index i = 0; i < values.rows(); ++i) {
    for (Index j = 0; j < values.cols(); ++j) out[i * values.cols() + j] = values(i, j);
  }
}

template <class Body>
qloom_status answered(qloom_error* error, const Body& body) noexcept {
  const auto told = [error](qloom_status code, const char* message) {
    if (error != nullptr) {
      error->code = code;
      std::snprintf(error->message, sizeof error->message, "%s", message);
    }
    return code;
  };
  try {
    body();
    return QLOOM_OK;
  } catch (const Refusal& refusal) {
    return told(refusal.code, refusal.message.c_str());
  } catch (const std::bad_alloc&) {
    return told(QLOOM_E_NO_MEMORY, "out of memory");
  } catch (const std::exception& e) {
    return told(QLOOM_E_INTERNAL, e.what());
  }
}

qloom_status least_squares(std::uint64_t m, std::uint64_t n, const double* a, std::uint64_t columns,
                           const double* b, double* x, std::uint64_t* rank,
                           qloom_error* error) noexcept {
  return answered(error, [=] {
    const Index rows = size_of("m", m), unknowns = size_of("n", n);
    const Index count = size_of("columns", columns);
    const Scaled left = scaled("a", a, rows, unknowns), right = scaled("b", b, rows, count);
    require_array("x", x);
    const Eigen::CompleteOrthogonalDecomposition<Matrix> decomposition(left.values);
    store(solved(decomposition, left.exponent, right), x);
    if (rank != nullptr) *rank = static_cast<std::uint64_t>(decomposition.rank());
  });
}

qloom_status cholesky_solve(std::uint64_t n, const double* a, std::uint64_t columns,
                            const double* b, double* x, qloom_error* error) noexcept {
  return answered(error, [=] {
    const Index unknowns = size_of("n", n), count = size_of("columns", columns);
    const Scaled left = scaled("a", a, unknowns, unknowns, true);
    const Scaled right = scaled("b", b, unknowns, count);
    require_array("x", x);
    const Eigen::LDLT<Matrix> decomposition(left.values);
    const double least = decomposition.vectorD().minCoeff();
    if (!(least > 0)) {
      throw Refusal{QLOOM_E_NUMERIC, fmt::format("a has the pivot {}, expected a positive one: it "
                                                 "is not positive definite",
                                                 std::ldexp(least, left.exponent))};
    }
    store(solved(decomposition, left.exponent, right), x);
  });
}

/// Its entry of largest magnitude, the first such, becomes positive.
void fix_sign(Eigen::Ref<Eigen::VectorXd> vector) {
  Index largest = 0;
  vector.cwiseAbs().maxCoeff(&largest);
  if (vector(largest) < 0) vector = -vector;
}

qloom_status symmetric_eigen(std::uint64_t n, const double* a, double* values, double* vectors,
                             qloom_error* error) noexcept {
  return answered(error, [=] {
    const Index size = size_of("n", n);
    const Scaled given = scaled("a", a, size, size, true);
    require_array("values", values);
    const Eigen::SelfAdjointEigenSolver<Matrix> solver(
        given.values, vectors == nullptr ? Eigen::EigenvaluesOnly : Eigen::ComputeEigenvectors);
    if (solver.info() != Eigen::Success) {
      throw Refusal{QLOOM_E_NUMERIC, "the iteration for the eigenvalues did not converge"};
    }
    const Matrix found = unscaled("values", solver.eigenvalues(), given.exponent);
    if (vectors != nullptr) {
      Matrix all = solver.eigenvectors();
      for (Index j = 0; j < size; ++j) fix_sign(all.col(j));
      store(all, vectors);
    }
    store(found, values);
  });
}

constexpr qloom_linear_api kLinear{sizeof(qloom_linear_api), 0, &least_squares, &cholesky_solve,
                                   &symmetric_eigen};

}  // namespace

const qloom_linear_api& linear_service() { return kLinear; }

}  // namespace qloom::registry
