// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The three contractions of a layer as plain scalar sums, one product at a time.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "tests/contraction/naive.hpp"

namespace qloom::test {

/// The products of each result of one contraction in order of k; padding counts as 0.
struct ProductRows {
  ProductRows(std::int64_t results, std::int64_t products)
      : k(static_cast<std::size_t>(products)), all(static_cast<std::size_t>(results) * k) {}
  double& at(std::int64_t result, std::int64_t place) {
    return all[static_cast<std::size_t>(result) * k + static_cast<std::size_t>(place)];
  }
  [[nodiscard]] std::size_t results() const { return all.size() / k; }
  [[nodiscard]] const double* row(std::size_t result) const { return all.data() + result * k; }
  std::size_t k;
  std::vector<double> all;
};

enum class Role { kForward, kInputGradient, kWeightGradient };

/// left, right: (x, w), (dy, w) or (x, dy). Each product is multiply(left, right).
template <class T, class Multiply>
ProductRows product_rows(Role role, const ContractionShape& s, const std::vector<T>& left,
                         const std::vector<T>& right, const Multiply& multiply) {
  ProductRows rows = role == Role::kForward ? ProductRows(s.y_size(), s.fan_in())
                     : role == Role::kInputGradient
                         ? ProductRows(s.x_size(), s.kernel_h * s.kernel_w * s.out_c / s.groups)
                         : ProductRows(s.w_size(), s.y_size() / s.out_c);
  const auto product = [&](std::int64_t a, std::int64_t b) {
    return static_cast<double>(
        multiply(left[static_cast<std::size_t>(a)], right[static_cast<std::size_t>(b)]));
  };
  for_each_term(s, [&](const Term& t) {
    switch (role) {
      case Role::kForward:
        rows.at(t.y, t.forward_k) = product(t.x, t.w);
        break;
      case Role::kInputGradient:
        rows.at(t.x, t.input_k) = product(t.y, t.w);
        break;
      case Role::kWeightGradient:
        rows.at(t.w, t.weight_k) = product(t.x, t.y);
        break;
    }
  });
  return rows;
}

/// A two's-complement register that takes one product at a time.
struct IntegerRegister {
  int bits;
  bool wraps;
  std::uint64_t overflows = 0;
  double sum(const double* products, std::size_t k) {
    const std::int64_t half = std::int64_t{1} << (bits - 1);
    std::int64_t s = 0;
    for (std::size_t i = 0; i < k; ++i) {
      s += static_cast<std::int64_t>(products[i]);
      if (s >= -half && s < half) continue;
      ++overflows;
      if (!wraps) {
        s = s < 0 ? -half : half - 1;
        continue;
      }
      while (s >= half) s -= 2 * half;
      while (s < -half) s += 2 * half;
    }
    return static_cast<double>(s);
  }
};

/// A float register with IEEE exponents, subnormals, round half even, saturating.
struct FloatRegister {
  int exponent_bits, mantissa_bits;
  std::size_t chunk;
  std::uint64_t overflows = 0;
  double round(double x) {
    const int bias = (1 << (exponent_bits - 1)) - 1, least = 1 - bias;
    int exponent = least;
    if (x != 0) exponent = std::max(least, std::ilogb(x));
    const double step = std::ldexp(1.0, exponent - mantissa_bits);
    const double y = std::nearbyint(x / step) * step;
    const double top = std::ldexp(2.0 - std::ldexp(1.0, -mantissa_bits), bias);
    if (std::abs(y) <= top) return y;
    ++overflows;
    return std::copysign(top, y);
  }
  double sum(const double* products, std::size_t k) {
    double total = 0;
    for (std::size_t first = 0; first < k; first += chunk) {
      double s = 0;
      for (std::size_t i = first; i < std::min(k, first + chunk); ++i) s = round(s + products[i]);
      total = round(total + s);
    }
    return total;
  }
};

/// float(sum * factor) of each row, plus the bias of its channel in float32.
template <class Register>
std::vector<float> summed(const ProductRows& rows, Register& reg, double factor,
                          const std::vector<float>& bias = {}) {
  std::vector<float> out(rows.results());
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = static_cast<float>(reg.sum(rows.row(i), rows.k) * factor);
    if (!bias.empty()) out[i] += bias[i % bias.size()];
  }
  return out;
}

}  // namespace qloom::test
