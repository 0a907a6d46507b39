// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Codes in bytes: ranges at and beyond a byte's, shapes that the byte products treat apart, values
// that are no codes. The same program runs a second time on a processor without exact bytes.
#include <array>

#include "host/contraction/codes.hpp"
#include "tests/contraction/coded.hpp"

namespace qloom::test {
namespace {

using contraction::Contraction;
using contraction::Operand;

/// Rows of 16 bytes and more, so that the weight gradient runs in bytes too.
std::vector<NamedShape> wide_shapes() {
  const ContractionShape same{.batch = 3,
                              .in_h = 6,
                              .in_w = 5,
                              .in_c = 24,
                              .out_c = 20,
                              .kernel_h = 3,
                              .kernel_w = 3,
                              .pad_top = 1,
                              .pad_bottom = 1,
                              .pad_left = 1,
                              .pad_right = 1};
  ContractionShape strided = same, unread = same, wide_kernel = same, pointwise = same;
  ContractionShape dilated = same, dilated_and_strided = same;
  dilated.dilation_h = dilated.dilation_w = 2;
  dilated_and_strided.in_h = dilated_and_strided.in_w = 11;
  dilated_and_strided.dilation_h = 3, dilated_and_strided.dilation_w = 2;
  dilated_and_strided.stride_h = dilated_and_strided.stride_w = 2;
  strided.stride_h = strided.stride_w = 2;
  unread.in_h = unread.in_w = 9;
  unread.stride_h = 2, unread.stride_w = 3;
  unread.pad_bottom = unread.pad_right = 0;  // no kernel reads the last row and the last column
  wide_kernel.kernel_w = 5;
  wide_kernel.pad_left = 3;
  wide_kernel.batch = 11;
  pointwise.kernel_h = pointwise.kernel_w = 1;
  pointwise.pad_top = pointwise.pad_bottom = pointwise.pad_left = pointwise.pad_right = 0;
  return {{"same padding", same},
          {"stride 2", strided},
          {"unread row and column", unread},
          {"wide kernel", wide_kernel},
          {"dilation 2", dilated},
          {"dilation 3 and 2, stride 2", dilated_and_strided},
          {"1x1", pointwise}};
}

TEST(ByteContraction, EveryRangeAtTheEdgesOfAByteEqualsTheIntegerSum) {
  for (const auto& [name, shape] : wide_shapes()) {
    for (const auto [lo, hi] : {std::array<std::int64_t, 2>{0, 255},
                                {-128, 127},
                                {-127, 127},
                                {-255, 0},
                                {-200, 55},
                                {-1, 254},
                                {0, 1},
                                {0, 256},
                                {-129, 127}}) {
      const std::string what = name + ", " + std::to_string(lo) + " to " + std::to_string(hi);
      check_roles(shape, {lo, hi, 127, 127}, {0.0123F}, {0.00345F}, what);
    }
    check_roles(shape, {0, 255, 128, 128}, {0.0123F}, {0.00345F}, name + ", 129 magnitudes");
    check_roles(shape, {0, 255, 127, 200}, {0.5F}, {0.25F}, name + ", powers of two");
  }
}

/// Sums that may be beyond 2^24, which run in one pass of bytes where that is exact.
TEST(ByteContraction, SumsOfManyProductsEqualTheIntegerSum) {
  using Range = std::array<std::int64_t, 2>;
  for (auto [name, shape] : wide_shapes()) {
    shape.in_c = 584 / (shape.kernel_h * shape.kernel_w) + 8;
    shape.out_c = shape.kernel_h == 1 ? 600 : shape.in_c;
    shape.batch = 2;
    for (const auto [lo, hi] : {Range{250, 255}, Range{-128, 127}}) {
      const std::string what = name + ", many, " + std::to_string(lo) + " to " + std::to_string(hi);
      check_roles(shape, {lo, hi, 127, 127}, {0.0123F}, {0.00345F}, what);
    }
    check_roles(shape, {0, 255, 127, 127}, {0.0123F}, random_values(shape.out_c, 9, 0.001F, 0.1F),
                name + ", many, per channel");
  }
}

TEST(ByteContraction, DigitsOfLargerCodesAndScalesPerChannelEqualTheIntegerSum) {
  for (const auto& [name, shape] : wide_shapes()) {
    check_roles(shape, {-2047, 2047, 2047, 2047}, {0.0123F}, {0.00345F}, name + ", 12 bits");
    check_roles(shape, {0, 255, 127, 127}, {0.0123F}, random_values(shape.out_c, 9, 0.001F, 0.1F),
                name + ", per channel");
  }
}

TEST(ByteContraction, PatchesOfManyPixelsAreCutWithoutATrace) {
  const ContractionShape s{.batch = 9,
                           .in_h = 40,
                           .in_w = 32,
                           .in_c = 20,
                           .out_c = 3,
                           .kernel_h = 3,
                           .kernel_w = 3,
                           .pad_top = 1,
                           .pad_bottom = 1,
                           .pad_left = 1,
                           .pad_right = 1};
  const Coded x(random_codes(s.x_size(), 1, 0, 255), {0.5F});
  const Coded dy(random_codes(s.y_size(), 2, -127, 127), {0.0123F});
  const Codes expected = sums(s, Target::kDw, x.codes, dy.codes);
  std::vector<float> dw(expected.size());
  Contraction contraction;
  contraction.weight_gradient(s, x.operand(), dy.operand(), dw.data());
  expect_bits(dw, expected, x, dy, s.fan_in(), nullptr, "two parts");
}

TEST(ByteContraction, AWeightGradientBeyond32BitsIsExact) {
  const ContractionShape s{.batch = 8, .in_h = 96, .in_w = 96, .in_c = 16, .out_c = 1};
  const Coded x(Codes(static_cast<std::size_t>(s.x_size()), 255), {0.5F});
  const Coded dy(Codes(static_cast<std::size_t>(s.y_size()), -127), {0.0123F});
  const Codes expected = sums(s, Target::kDw, x.codes, dy.codes);
  ASSERT_LT(expected[0], -(std::int64_t{1} << 31));
  std::vector<float> dw(expected.size());
  Contraction contraction;
  contraction.weight_gradient(s, x.operand(), dy.operand(), dw.data());
  expect_bits(dw, expected, x, dy, s.fan_in(), nullptr, "one slice");
}

TEST(ByteContraction, BitsDoNotDependOnTheNumberOfThreads) {
  for (const auto& [name, shape] : wide_shapes()) {
    SCOPED_TRACE(name);
    const ContractionShape s = shape;
    const Coded x(random_codes(s.x_size(), 1, 0, 255), {0.0123F});
    const Coded dy(random_codes(s.y_size(), 2, -127, 127), {0.00345F});
    expect_same_for_any_threads([&] {
      Contraction contraction;
      std::vector<float> dw(static_cast<std::size_t>(s.w_size()));
      contraction.weight_gradient(s, x.operand(), dy.operand(), dw.data());
      return dw;
    });
  }
}

TEST(ByteContraction, ANanReachesEveryOutputThatReadsItAndNoOther) {
  const ContractionShape s = wide_shapes().front().shape;
  std::vector<float> x = Coded(random_codes(s.x_size(), 1, 0, 255), {0.0123F}).values;
  const Coded w(random_codes(s.w_size(), 2, -127, 127), {0.00345F});
  const Coded dy(random_codes(s.y_size(), 3, -127, 127), {0.02F});
  x[0] = NAN;  // read by the four output pixels around the first one
  std::vector<float> y(static_cast<std::size_t>(s.y_size())), dw(w.values.size());
  Contraction contraction;
  contraction.forward(s, {.values = x.data()}, w.operand(), nullptr, y.data());
  const auto is_nan = [](float v) { return std::isnan(v); };
  EXPECT_EQ(std::count_if(y.begin(), y.end(), is_nan), 4 * s.out_c);
  contraction.weight_gradient(s, {.values = x.data()}, dy.codes_alone(), dw.data());
  EXPECT_EQ(std::count_if(dw.begin(), dw.end(), is_nan), 4 * s.out_c);
}

TEST(ByteCodes, FitOrAreRefused) {
  const auto of = [](double lo, double hi) { return Operand{nullptr, nullptr, 1, lo, hi}; };
  EXPECT_EQ(contraction::unsigned_shift(of(-100, 155), {}), 100);
  EXPECT_FALSE(contraction::unsigned_shift(of(-100, 156), {}));
  EXPECT_EQ(contraction::signed_shift(of(-128, 127), {}), 0);
  EXPECT_EQ(contraction::signed_shift(of(0, 255), {}), -128);
  EXPECT_FALSE(contraction::signed_shift(of(-1, 255), {}));
  EXPECT_TRUE(contraction::unsigned_shift(of(-30000, 30000), {3, 7}));
  EXPECT_FALSE(contraction::unsigned_shift(of(-30000, 30000), {2, 8}));  // 257 digits
}

TEST(ByteCodes, CodesOfEveryWidthComeBackAsNumbersBytesAndValues) {
  for (const auto [lo, hi] :
       {std::array<std::int64_t, 2>{-100, 120}, {-3, 0}, {0, 65535}, {-70000, 9}}) {
    const Codes codes = random_codes(5000, 7, lo, hi);
    const Coded coded(codes, {0.3F});
    std::vector<float> numbers(codes.size()), scaled(codes.size());
    std::vector<std::uint8_t> bytes(codes.size());
    kernels::load_codes(coded.stored.view(), numbers.data(), codes.size());
    kernels::load_values(coded.stored.view(), 0.3F, scaled.data(), codes.size());
    contraction::load_digit_bytes(coded.stored.view(), {}, 0, 5, bytes.data(), codes.size());
    EXPECT_EQ(numbers, std::vector<float>(codes.begin(), codes.end()));
    EXPECT_EQ(scaled, coded.values);
    for (std::size_t i = 0; i < codes.size(); ++i) {
      ASSERT_EQ(bytes[i], static_cast<std::uint8_t>(codes[i] + 5)) << codes[i];
    }
  }
}

TEST(ByteCodes, ACodeOutsideOfItsEncodingIsNoticed) {
  for (const CodeForm form :
       {CodeForm{-100, 220}, CodeForm{-100, 255}, CodeForm{-100, 65000}, CodeForm{-100, 1 << 20}}) {
    std::array<std::uint8_t, 20> out{};
    const auto fits = [&](std::int32_t code) {
      const std::array<std::int32_t, 5> codes{7, -93, code, 100, 0};
      return kernels::store_codes(codes.data(), 7, form, out.data(), codes.size());
    };
    const std::int32_t most = form.lo + static_cast<std::int32_t>(form.span) + 7;
    EXPECT_TRUE(fits(most));
    EXPECT_TRUE(fits(form.lo + 7));
    EXPECT_FALSE(fits(most + 1));
    EXPECT_FALSE(fits(form.lo + 6));
    EXPECT_FALSE(fits(INT32_MIN));
    EXPECT_FALSE(fits(INT32_MAX));
  }
}

}  // namespace
}  // namespace qloom::test
