// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Contractions whose input is padded with another value than 0: those of the padded input.
#include "host/contraction/padded_input.hpp"

#include "tests/contraction/coded.hpp"

namespace qloom::test {
namespace {

using contraction::Contraction;
using contraction::Operand;
using contraction::PaddedInput;

/// The shape of which the padding is a part of the input.
ContractionShape whole_of(ContractionShape s) {
  s.in_h += s.pad_top + s.pad_bottom;
  s.in_w += s.pad_left + s.pad_right;
  s.pad_top = s.pad_bottom = s.pad_left = s.pad_right = 0;
  return s;
}

/// Element by element: x inside, `pad` around it.
template <class T>
std::vector<T> padded(const ContractionShape& s, const std::vector<T>& x, T pad) {
  const ContractionShape all = whole_of(s);
  std::vector<T> out(static_cast<std::size_t>(all.x_size()), pad);
  for (std::int64_t b = 0; b < s.batch; ++b)
    for (std::int64_t h = 0; h < s.in_h; ++h)
      for (std::int64_t w = 0; w < s.in_w; ++w)
        for (std::int64_t c = 0; c < s.in_c; ++c) {
          const auto to = ((b * all.in_h + h + s.pad_top) * all.in_w + w + s.pad_left) * s.in_c + c;
          const auto from = ((b * s.in_h + h) * s.in_w + w) * s.in_c + c;
          out[static_cast<std::size_t>(to)] = x[static_cast<std::size_t>(from)];
        }
  return out;
}

bool pads(const ContractionShape& s) {
  return s.pad_top + s.pad_bottom + s.pad_left + s.pad_right > 0;
}

std::vector<float> forward(const ContractionShape& s, const Operand& x, const Operand& w) {
  Contraction contraction;
  std::vector<float> y(static_cast<std::size_t>(s.y_size()), NAN);
  contraction.forward(s, x, w, nullptr, y.data());
  return y;
}
std::vector<float> weight_gradient(const ContractionShape& s, const Operand& x, const Operand& dy) {
  Contraction contraction;
  std::vector<float> dw(static_cast<std::size_t>(s.w_size()), NAN);
  contraction.weight_gradient(s, x, dy, dw.data());
  return dw;
}

TEST(PaddedInput, RealValuesGiveTheProductsOfThePaddedInputAndItsGradient) {
  int padding = 0;
  for (const auto& [name, s] : small_shapes()) {
    const auto x = random_values(s.x_size(), 1), w = random_values(s.w_size(), 2),
               dy = random_values(s.y_size(), 4);
    const Operand input{.values = x.data(), .pad = -1};
    const auto full = widened(padded(s, x, -1.0F));
    const ContractionShape all = whole_of(s);
    expect_near(forward(s, input, {.values = w.data()}), naive_forward(all, full, widened(w)), 2e-5,
                name);
    const auto of_w = differences(widened(w), [&](const std::vector<double>& v) {
      return dot(naive_forward(all, full, v), dy);
    });
    expect_near(weight_gradient(s, input, {.values = dy.data()}), of_w, 2e-5, name);
    padding += pads(s) ? 1 : 0;
    EXPECT_EQ(PaddedInput::is_needed(s, input), pads(s)) << name;
    EXPECT_FALSE(PaddedInput::is_needed(s, {.values = x.data()})) << name;
  }
  EXPECT_GE(padding, 6);
}

/// The sums of a padded input in integers, for codes of 1, 2 and 4 bytes.
TEST(PaddedInput, CodesWhosePadIsACodeGiveTheExactIntegerSums) {
  const std::int64_t ends[][2] = {{-1, 1}, {0, 255}, {-30000, 30000}, {-100000, 100000}};
  for (const auto& [lo, hi] : ends) {
    for (const auto& [name, s] : small_shapes()) {
      const Coded x(random_codes(s.x_size(), 1, lo, hi), {0.25F});
      const Coded w(random_codes(s.w_size(), 2, -7, 7), {0.125F}, s.fan_in());
      const Coded dy(random_codes(s.y_size(), 3, -127, 127), {0.00037F});
      const auto code = static_cast<std::int64_t>(x.code_min);
      Operand input = x.codes_alone();
      input.pad = static_cast<float>(code) * 0.25F;
      const Codes full = padded(s, x.codes, code);
      const ContractionShape all = whole_of(s);
      expect_bits(forward(s, input, w.operand()), sums(all, Target::kY, full, w.codes), x, w,
                  s.out_c, nullptr, name);
      expect_bits(weight_gradient(s, input, dy.codes_alone()),
                  sums(all, Target::kDw, full, dy.codes), x, dy, s.fan_in(), nullptr, name);
    }
  }
}

TEST(PaddedInput, APadThatIsNoCodeMakesTheInputReal) {
  for (const float pad : {0.1F, -0.25F, 100.0F}) {  // between codes, below and above them
    for (const auto& [name, s] : small_shapes()) {
      const Coded x(random_codes(s.x_size(), 1, 0, 15), {0.25F});
      const Coded w(random_codes(s.w_size(), 2, -7, 7), {0.125F}, s.fan_in());
      const std::vector<float> values = padded(s, x.values, pads(s) ? pad : 0.0F);
      for (const bool has_values : {false, true}) {
        Operand input = has_values ? x.operand() : x.codes_alone();
        input.pad = pad;
        expect_near(forward(s, input, w.operand()),
                    naive_forward(whole_of(s), widened(values), widened(w.values)), 2e-3, name);
      }
    }
  }
}

TEST(PaddedInput, KeepsCodesOnlyWhereThePadIsOneOfThem) {
  const ContractionShape s = small_shapes()[0].shape;
  const Coded x(random_codes(s.x_size(), 1, -1, 1), {0.5F});
  PaddedInput input;
  Operand on_grid = x.codes_alone(), off_grid = x.codes_alone();
  on_grid.pad = -0.5F;
  off_grid.pad = -0.75F;
  EXPECT_TRUE(input.make(s, on_grid).x.codes);
  EXPECT_EQ(input.make(s, on_grid).x.values, nullptr);
  EXPECT_FALSE(input.make(s, off_grid).x.codes);
  EXPECT_NE(input.make(s, off_grid).x.values, nullptr);
}

TEST(PaddedInput, BitsDoNotDependOnTheNumberOfThreads) {
  const ContractionShape s = small_shapes()[0].shape;
  const auto x = random_values(s.x_size(), 1), w = random_values(s.w_size(), 2);
  expect_same_for_any_threads(
      [&] { return forward(s, {.values = x.data(), .pad = 0.3F}, {.values = w.data()}); });
}

}  // namespace
}  // namespace qloom::test
