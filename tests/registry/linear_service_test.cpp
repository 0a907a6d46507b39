// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// qloom.linear/1. Expected values: tests/oracles/linear.py and closed forms.
#include <bit>
#include <cmath>
#include <fstream>
#include <functional>
#include <limits>
#include <numbers>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "host/registry/registry.hpp"
#include "host/tensor/parallel.hpp"
#include "host/tensor/random.hpp"

namespace qloom::registry {
namespace {

using Rows = std::vector<std::vector<double>>;

const qloom_linear_api& linear() {
  const qloom_host& host = host_services();
  return *static_cast<const qloom_linear_api*>(host.service(&host, "qloom.linear/1"));
}

std::vector<double> flat(const Rows& rows) {
  std::vector<double> all;
  for (const auto& row : rows) all.insert(all.end(), row.begin(), row.end());
  return all;
}
Rows matrix_product(const Rows& a, const Rows& b) {
  Rows out(a.size(), std::vector<double>(b[0].size(), 0.0));
  for (std::size_t i = 0; i < a.size(); ++i) {
    for (std::size_t k = 0; k < b.size(); ++k) {
      for (std::size_t j = 0; j < b[0].size(); ++j) out[i][j] += a[i][k] * b[k][j];
    }
  }
  return out;
}
/// Numbers of -1 .. 1.
std::vector<double> drawn(std::size_t count, std::uint64_t stream) {
  std::vector<double> values(count);
  for (std::size_t i = 0; i < count; ++i) {
    values[i] = random_word(5, stream, 0, i) / 2147483648.0 - 1.0;
  }
  return values;
}
/// Of n unknowns: a' a + 1 / 4 on the diagonal, which is positive definite.
std::vector<double> positive_definite(std::size_t n) {
  const std::vector<double> a = drawn(n * n, 9);
  std::vector<double> out(n * n, 0.0);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      for (std::size_t k = 0; k < n; ++k) out[i * n + j] += a[k * n + i] * a[k * n + j];
    }
    out[i * n + i] += 0.25;
  }
  return out;
}

struct Answer {
  std::vector<double> x;
  std::uint64_t rank = 0;
};
Answer least_squares(std::uint64_t m, std::uint64_t n, const std::vector<double>& a,
                     const std::vector<double>& b) {
  Answer found{std::vector<double>(n * b.size() / m)};
  EXPECT_EQ(linear().least_squares(m, n, a.data(), b.size() / m, b.data(), found.x.data(),
                                   &found.rank, nullptr),
            QLOOM_OK);
  return found;
}
std::vector<double> cholesky_solve(std::uint64_t n, const std::vector<double>& a,
                                   const std::vector<double>& b) {
  std::vector<double> x(b.size());
  EXPECT_EQ(linear().cholesky_solve(n, a.data(), b.size() / n, b.data(), x.data(), nullptr),
            QLOOM_OK);
  return x;
}
struct Eigen {
  std::vector<double> values, vectors;
};
Eigen symmetric_eigen(std::uint64_t n, const std::vector<double>& a) {
  Eigen found{std::vector<double>(n), std::vector<double>(n * n)};
  EXPECT_EQ(
      linear().symmetric_eigen(n, a.data(), found.values.data(), found.vectors.data(), nullptr),
      QLOOM_OK);
  return found;
}

void expect_close(const std::vector<double>& found, const std::vector<double>& expected) {
  ASSERT_EQ(found.size(), expected.size());
  double largest = 0;
  for (const double v : expected) largest = std::max(largest, std::abs(v));
  // Condition numbers of the systems are below 1e5, a double has 16 digits.
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_NEAR(found[i], expected[i], 1e-10 * largest) << "number " << i;
  }
}

TEST(LinearService, LeastSquaresOfLeastNormAreThoseOfFractions) {
  std::ifstream file(QLOOM_SOURCE_DIR "/tests/oracles/linear.json");
  const auto cases = nlohmann::json::parse(file);
  ASSERT_EQ(cases.size(), 10U);
  for (const auto& given : cases) {
    const Rows b = given["b"].get<Rows>(), c = given["c"].get<Rows>();
    SCOPED_TRACE(std::to_string(b.size()) + " equations, " + std::to_string(c[0].size()) +
                 " unknowns, rank " + std::to_string(c.size()));
    const Answer found = least_squares(b.size(), c[0].size(), flat(matrix_product(b, c)),
                                       flat(given["y"].get<Rows>()));
    EXPECT_EQ(found.rank, c.size());
    expect_close(found.x, flat(given["x"].get<Rows>()));
  }
}

TEST(LinearService, CholeskySolvesWhatWasMadeOfItsSolution) {
  constexpr std::size_t kSize = 70;  // Eigen works in blocks from 32 on where it may
  std::vector<double> a = positive_definite(kSize);
  const std::vector<double> x = drawn(kSize * 2, 10);
  std::vector<double> b(kSize * 2, 0.0);
  for (std::size_t i = 0; i < kSize; ++i) {
    for (std::size_t k = 0; k < kSize; ++k) {
      for (std::size_t c = 0; c < 2; ++c) b[i * 2 + c] += a[i * kSize + k] * x[k * 2 + c];
    }
  }
  for (std::size_t i = 0; i < kSize; ++i) {
    for (std::size_t j = i + 1; j < kSize; ++j) a[i * kSize + j] = std::nan("");  // is not read
  }
  expect_close(cholesky_solve(kSize, a, b), x);
  EXPECT_EQ(cholesky_solve(1, {4}, {2}), std::vector<double>{0.5});
}

/// 2 on the diagonal, -1 beside it: values 2 - 2 cos(k pi / (n + 1)), vectors sin(i k pi / (n +
/// 1)).
TEST(LinearService, EigenvaluesAndVectorsAreThoseOfAString) {
  constexpr std::size_t kSize = 60;
  std::vector<double> a(kSize * kSize, std::nan(""));
  for (std::size_t i = 0; i < kSize; ++i) {
    for (std::size_t j = 0; j <= i; ++j) a[i * kSize + j] = i == j ? 2 : j + 1 == i ? -1 : 0;
  }
  const Eigen found = symmetric_eigen(kSize, a);
  for (std::size_t k = 1; k <= kSize; ++k) {
    const double angle = static_cast<double>(k) * std::numbers::pi / (kSize + 1.0);
    EXPECT_NEAR(found.values[k - 1], 2.0 - 2.0 * std::cos(angle), 1e-13);
    double largest = 0, length = 0, product = 0;
    for (std::size_t i = 0; i < kSize; ++i) {
      const double entry = found.vectors[i * kSize + k - 1];
      if (std::abs(entry) > std::abs(largest)) largest = entry;
      length += entry * entry;
      product +=
          entry * std::sqrt(2.0 / (kSize + 1.0)) * std::sin(angle * static_cast<double>(i + 1));
    }
    EXPECT_GT(largest, 0) << k;
    EXPECT_NEAR(length, 1, 1e-13) << k;
    EXPECT_NEAR(std::abs(product), 1, 1e-12) << k;
  }
  std::vector<double> values(kSize);
  EXPECT_EQ(linear().symmetric_eigen(kSize, a.data(), values.data(), nullptr, nullptr), QLOOM_OK);
  EXPECT_EQ(values, found.values) << "without vectors";
}

TEST(LinearService, OfEqualMagnitudesTheFirstEntryOfAVectorIsPositive) {
  const Eigen found = symmetric_eigen(2, {0, 0, 1, 0});
  expect_close(found.values, {-1, 1});
  const double half = std::sqrt(0.5);
  expect_close(found.vectors, {half, half, -half, half});
  EXPECT_EQ(symmetric_eigen(1, {-3}).vectors, std::vector<double>{1});
}

/// The first bits of everything the service gives for systems larger than Eigen's blocks.
std::uint64_t digest() {
  constexpr std::size_t kSize = 70;
  const std::vector<double> a = positive_definite(kSize), b = drawn(kSize * 3, 11);
  const std::vector<double> tall = drawn(2 * kSize * kSize, 12), right = drawn(2 * kSize, 13);
  const Eigen eigen = symmetric_eigen(kSize, a);
  std::uint64_t hash = 0xCBF29CE484222325U;  // FNV-1a by 64-bit words
  for (const std::vector<double>& part :
       {cholesky_solve(kSize, a, b), least_squares(2 * kSize, kSize, tall, right).x,
        least_squares(kSize, 2 * kSize, tall, b).x, eigen.values, eigen.vectors}) {
    for (const double v : part) {
      hash = (hash ^ std::bit_cast<std::uint64_t>(v)) * 0x100000001B3U;
    }
  }
  return hash;
}

/// As found with Eigen 3.4.0 by gcc and clang on x86-64 and by gcc on 64-bit ARM.
TEST(LinearService, BitsAreTheSameOnEveryMachineAndThread) {
  constexpr std::uint64_t kDigest = 7990226004760905168U;
  EXPECT_EQ(digest(), kDigest);
  std::vector<std::uint64_t> found(8);
  for_each(found.size(), [&](std::uint64_t i) { found[i] = digest(); });
  EXPECT_EQ(found, std::vector<std::uint64_t>(8, kDigest));
}

TEST(LinearService, RightHandSidesDoNotSeeEachOther) {
  constexpr std::size_t kSize = 70, kColumns = 3;
  const std::vector<double> a = positive_definite(kSize), b = drawn(kSize * kColumns, 11);
  const auto all = cholesky_solve(kSize, a, b), squares = least_squares(kSize, kSize, a, b).x;
  for (std::size_t c = 0; c < kColumns; ++c) {
    std::vector<double> one, expected, expected_squares;
    for (std::size_t i = 0; i < kSize; ++i) {
      one.push_back(b[i * kColumns + c]);
      expected.push_back(all[i * kColumns + c]);
      expected_squares.push_back(squares[i * kColumns + c]);
    }
    EXPECT_EQ(cholesky_solve(kSize, a, one), expected);
    EXPECT_EQ(least_squares(kSize, kSize, a, one).x, expected_squares);
  }
}

/// Powers of two change no bit but the exponent's, also where squares would leave double's range.
TEST(LinearService, ScalesWithItsArguments) {
  constexpr std::size_t kSize = 6;
  const std::vector<double> a = positive_definite(kSize), b = drawn(kSize, 11);
  const auto times = [](std::vector<double> values, double factor) {
    for (double& v : values) v *= factor;
    return values;
  };
  const Answer plain = least_squares(kSize, kSize, a, b);
  const auto solved = cholesky_solve(kSize, a, b);
  const Eigen eigen = symmetric_eigen(kSize, a);
  for (const double factor : {0x1p700, 0x1p-700}) {
    const auto large = times(a, factor);
    const Answer found = least_squares(kSize, kSize, large, b);
    EXPECT_EQ(found.rank, kSize);
    EXPECT_EQ(times(found.x, factor), plain.x);
    EXPECT_EQ(times(cholesky_solve(kSize, large, b), factor), solved);
    EXPECT_EQ(symmetric_eigen(kSize, large).values, times(eigen.values, factor));
    EXPECT_EQ(symmetric_eigen(kSize, large).vectors, eigen.vectors);
  }
}

/// More than forty lines: a table of refusals.
TEST(LinearService, RefusesWithTheValue) {
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN(), kInf = HUGE_VAL;
  const qloom_linear_api& api = linear();
  double x[4] = {};
  struct Row {
    qloom_status code;
    const char* text;
    std::function<qloom_status(qloom_error*)> call;
  };
  const double bad[4] = {1, 2, kNaN, 1}, good[4] = {1, 2, 2, 5}, infinite[2] = {1, kInf};
  const double indefinite[4] = {1, 2, 2, 1}, tiny[1] = {1e-300}, huge[1] = {1e300};
  const Row rows[] = {
      {QLOOM_E_INVALID, "m is 0",
       [&](auto* e) { return api.least_squares(0, 1, good, 1, good, x, nullptr, e); }},
      {QLOOM_E_INVALID, "n is 0",
       [&](auto* e) { return api.least_squares(1, 0, good, 1, good, x, nullptr, e); }},
      {QLOOM_E_INVALID, "columns is 0",
       [&](auto* e) { return api.least_squares(1, 1, good, 0, good, x, nullptr, e); }},
      {QLOOM_E_INVALID, "n is 0",
       [&](auto* e) { return api.cholesky_solve(0, good, 1, good, x, e); }},
      {QLOOM_E_INVALID, "n is 0",
       [&](auto* e) { return api.symmetric_eigen(0, good, x, nullptr, e); }},
      {QLOOM_E_INVALID, "a is NULL",
       [&](auto* e) { return api.symmetric_eigen(2, nullptr, x, nullptr, e); }},
      {QLOOM_E_INVALID, "x is NULL",
       [&](auto* e) { return api.cholesky_solve(2, good, 1, good, nullptr, e); }},
      {QLOOM_E_INVALID, "values is NULL",
       [&](auto* e) { return api.symmetric_eigen(2, good, nullptr, x, e); }},
      {QLOOM_E_NUMERIC, "a[1][0] is nan",
       [&](auto* e) { return api.least_squares(2, 2, bad, 1, good, x, nullptr, e); }},
      {QLOOM_E_NUMERIC, "b[1][0] is inf",
       [&](auto* e) { return api.least_squares(2, 2, good, 1, infinite, x, nullptr, e); }},
      {QLOOM_E_NUMERIC, "a[1][0] is nan",
       [&](auto* e) { return api.cholesky_solve(2, bad, 1, good, x, e); }},
      {QLOOM_E_NUMERIC, "a[1][0] is nan",
       [&](auto* e) { return api.symmetric_eigen(2, bad, x, nullptr, e); }},
      {QLOOM_E_NUMERIC, "pivot -3,",
       [&](auto* e) { return api.cholesky_solve(2, indefinite, 1, good, x, e); }},
      {QLOOM_E_NUMERIC, "pivot 0,",
       [&](auto* e) {
         return api.cholesky_solve(2, std::vector<double>(4, 1.0).data(), 1, good, x, e);
       }},
      {QLOOM_E_NUMERIC, "pivot 0,",
       [&](auto* e) {
         return api.cholesky_solve(2, std::vector<double>(4, 0.0).data(), 1, good, x, e);
       }},
      {QLOOM_E_NUMERIC, "x[0][0] is inf",
       [&](auto* e) { return api.least_squares(1, 1, tiny, 1, huge, x, nullptr, e); }},
  };
  for (const Row& row : rows) {
    qloom_error error = empty_error();
    EXPECT_EQ(row.call(&error), row.code) << row.text;
    EXPECT_EQ(error.code, row.code) << row.text;
    EXPECT_NE(std::string(error.message).find(row.text), std::string::npos)
        << error.message << "\nexpected: " << row.text;
    EXPECT_EQ(row.call(nullptr), row.code) << "without a place for the message";
  }
}

/// The second column overflows, the first does not.
TEST(LinearService, ARefusedCallWritesNothing) {
  const double a[] = {1e-300}, b[] = {1, 1e300};
  double x[] = {7, 7};
  std::uint64_t rank = 7;
  EXPECT_EQ(linear().least_squares(1, 1, a, 2, b, x, &rank, nullptr), QLOOM_E_NUMERIC);
  EXPECT_EQ(x[0], 7);
  EXPECT_EQ(x[1], 7);
  EXPECT_EQ(rank, 7U);
}

TEST(LinearService, ZeroHasRankZeroAndTheSolutionZero) {
  const Answer found = least_squares(2, 3, std::vector<double>(6, 0.0), {1, 2});
  EXPECT_EQ(found.rank, 0U);
  EXPECT_EQ(found.x, std::vector<double>(3, 0.0));
}

}  // namespace
}  // namespace qloom::registry
