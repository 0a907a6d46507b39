// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Integer-coded operands, and the contraction of their codes in 64-bit integers.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "host/contraction/contraction.hpp"
#include "host/kernels/stored_codes.hpp"
#include "tests/contraction/naive.hpp"

namespace qloom::test {

using Codes = std::vector<std::int64_t>;

/// Codes and the float32 values that stand for them.
struct Coded {
  Coded(Codes all_codes, std::vector<float> scales, std::int64_t pitch = 1)
      : codes(std::move(all_codes)), scale(std::move(scales)), values(codes.size()) {
    for (std::size_t i = 0; i < codes.size(); ++i) {
      values[i] = static_cast<float>(codes[i]) * scale_at(i / static_cast<std::size_t>(pitch));
      code_min = std::min(code_min, static_cast<double>(codes[i]));
      code_max = std::max(code_max, static_cast<double>(codes[i]));
    }
    const CodeForm form{static_cast<std::int32_t>(code_min),
                        static_cast<std::uint32_t>(code_max - code_min)};
    stored.resize(codes.size(), form);
    const std::vector<std::int32_t> narrow(codes.begin(), codes.end());
    EXPECT_TRUE(kernels::store_codes(narrow.data(), 0, form, stored.at(0), narrow.size()));
  }
  [[nodiscard]] float scale_at(std::size_t row) const { return scale[scale.size() == 1 ? 0 : row]; }
  [[nodiscard]] contraction::Operand operand() const {
    return {values.data(), scale.data(), scale.size(), code_min, code_max, stored.view()};
  }
  /// Codes with one scale say everything: contractions need no values then.
  [[nodiscard]] contraction::Operand codes_alone() const {
    contraction::Operand o = operand();
    if (scale.size() == 1) o.values = nullptr;
    return o;
  }
  Codes codes;
  std::vector<float> scale, values;
  CodedTensor stored;
  double code_min = 0, code_max = 0;
};

enum class Target { kY, kDx, kDw };

/// The sums of one role in integers.
inline Codes sums(const ContractionShape& s, Target target, const Codes& left, const Codes& right) {
  const std::int64_t n = target == Target::kY    ? s.y_size()
                         : target == Target::kDx ? s.x_size()
                                                 : s.w_size();
  Codes sum(static_cast<std::size_t>(n));
  const auto at = [](const Codes& v, std::int64_t i) { return v[static_cast<std::size_t>(i)]; };
  for_each_term(s, [&](const Term& t) {
    switch (target) {
      case Target::kY:
        sum[static_cast<std::size_t>(t.y)] += at(left, t.x) * at(right, t.w);
        break;
      case Target::kDx:
        sum[static_cast<std::size_t>(t.x)] += at(left, t.y) * at(right, t.w);
        break;
      case Target::kDw:
        sum[static_cast<std::size_t>(t.w)] += at(left, t.x) * at(right, t.y);
        break;
    }
  });
  return sum;
}

/// True when some sum is no float32, so that float32 arithmetic alone could not give it.
inline bool exceeds_float(const Codes& sum) {
  return std::any_of(sum.begin(), sum.end(), [](std::int64_t v) {
    return static_cast<std::int64_t>(static_cast<float>(v)) != v;
  });
}

inline void expect_bits(const std::vector<float>& actual, const Codes& sum, const Coded& left,
                        const Coded& right, std::int64_t channels, const float* bias,
                        const std::string& what) {
  ASSERT_EQ(actual.size(), sum.size());
  for (std::size_t i = 0; i < sum.size(); ++i) {
    const std::size_t channel = i % static_cast<std::size_t>(channels);
    const double scale = double{left.scale[0]} * double{right.scale_at(channel)};
    float expected = static_cast<float>(static_cast<double>(sum[i]) * scale);
    if (bias != nullptr) expected += bias[channel];
    ASSERT_EQ(std::bit_cast<std::uint32_t>(actual[i]), std::bit_cast<std::uint32_t>(expected))
        << what << ", element " << i << ": " << actual[i] << ", expected " << expected;
  }
}

struct Widths {
  std::int64_t x_lo, x_hi, w_limit, dy_limit;
};

/// All three roles on random codes; returns whether some sum was beyond float32.
inline bool check_roles(const ContractionShape& s, const Widths& widths, std::vector<float> x_scale,
                        std::vector<float> w_scale, const std::string& name) {
  const Coded x(random_codes(s.x_size(), 1, widths.x_lo, widths.x_hi), std::move(x_scale));
  const Coded w(random_codes(s.w_size(), 2, -widths.w_limit, widths.w_limit), std::move(w_scale),
                s.fan_in());
  const Coded dy(random_codes(s.y_size(), 3, -widths.dy_limit, widths.dy_limit), {0.00037F});
  const std::vector<float> bias = random_values(s.out_c, 4);
  contraction::Contraction contraction;
  bool beyond_float = false;

  const Codes y_sums = sums(s, Target::kY, x.codes, w.codes);
  std::vector<float> y(y_sums.size(), NAN);
  contraction.forward(s, x.codes_alone(), w.operand(), nullptr, y.data());
  expect_bits(y, y_sums, x, w, s.out_c, nullptr, name + ", forward");
  Codes given(y_sums.size());
  contraction.forward(s, x.operand(), w.operand(), bias.data(), y.data(), {}, given.data());
  expect_bits(y, y_sums, x, w, s.out_c, bias.data(), name + ", forward with bias");
  EXPECT_EQ(given, y_sums) << name;
  std::vector<float> scaled(y_sums.size(), NAN);
  contraction::scale_integer_sums(x.operand(), w.operand(), bias.data(), s.out_c,
                                  s.y_size() / s.out_c, y_sums.data(), scaled.data());
  EXPECT_EQ(scaled, y) << name;
  beyond_float |= exceeds_float(y_sums);

  if (w.scale.size() == 1) {
    const Codes dx_sums = sums(s, Target::kDx, dy.codes, w.codes);
    std::vector<float> dx(dx_sums.size(), NAN);
    contraction.input_gradient(s, dy.codes_alone(), w.codes_alone(), dx.data());
    expect_bits(dx, dx_sums, dy, w, s.in_c, nullptr, name + ", input gradient");
    beyond_float |= exceeds_float(dx_sums);
  }
  const Codes dw_sums = sums(s, Target::kDw, x.codes, dy.codes);
  std::vector<float> dw(dw_sums.size(), NAN);
  contraction.weight_gradient(s, x.codes_alone(), dy.codes_alone(), dw.data());
  expect_bits(dw, dw_sums, x, dy, s.fan_in(), nullptr, name + ", weight gradient");
  return beyond_float | exceeds_float(dw_sums);
}

}  // namespace qloom::test
