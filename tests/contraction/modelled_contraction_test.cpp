// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Contractions with a modelled accumulator: each result is added up by the accumulator's rule, in
// the promised order of k, and knows its own index.
#include <algorithm>

#include "host/contraction/contraction.hpp"
#include "host/kernels/kernels.hpp"
#include "host/tensor/error.hpp"
#include "tests/contraction/coded.hpp"

namespace qloom::test {
namespace {

using contraction::AccumulatorRef;
using contraction::Contraction;
using contraction::Operand;

/// An addition whose result depends on the order, on the result's index and on the step's number.
double add_real(double sum, double product, std::uint64_t index, std::uint64_t k) {
  const double offset = static_cast<double>((index * 31 + k * 7) % 16) / 16;
  return std::floor((sum + product) * 64 + offset) / 64;
}

/// A register of 12 bits that saturates; `overflows` counts.
double add_integer(double sum, double product, std::uint64_t& overflows) {
  const double exact = sum + product;
  if (exact >= -2048 && exact <= 2047) return exact;
  ++overflows;
  return exact < 0 ? -2048 : 2047;
}

template <class Add>
void for_each_result(const qloom_tile& tile, const Add& add) {
  for (std::uint64_t row = 0; row < tile.m; ++row) {
    for (std::uint64_t col = 0; col < tile.n; ++col) {
      double sum = 0;
      for (std::uint64_t k = 0; k < tile.k; ++k) {
        const float a =
            tile.a[static_cast<std::int64_t>(row) * tile.lda + static_cast<std::int64_t>(k)];
        const float b =
            tile.b[static_cast<std::int64_t>(k) * tile.ldb + static_cast<std::int64_t>(col)];
        sum = add(sum, double{a} * double{b}, tile.first + row * tile.row_step + col, k);
      }
      tile.c[static_cast<std::int64_t>(row) * tile.ldc + static_cast<std::int64_t>(col)] = sum;
    }
  }
}

qloom_status accumulate_real(const void*, const qloom_call*, const qloom_tile* tile,
                             std::uint64_t*) noexcept {
  for_each_result(*tile, add_real);
  return QLOOM_OK;
}

qloom_status accumulate_integer(const void*, const qloom_call*, const qloom_tile* tile,
                                std::uint64_t* overflows) noexcept {
  bool is_whole = true;
  for_each_result(*tile, [&](double sum, double product, std::uint64_t, std::uint64_t) {
    is_whole = is_whole && product == std::nearbyint(product);
    return add_integer(sum, product, *overflows);
  });
  return is_whole ? QLOOM_OK : QLOOM_E_INVALID;
}

qloom_status refuse(const void*, const qloom_call* call, const qloom_tile*,
                    std::uint64_t*) noexcept {
  const std::string message = "width 99 is above the maximum 32";
  std::copy_n(message.c_str(), message.size() + 1, call->error->message);
  return QLOOM_E_UNSUPPORTED;
}

std::uint32_t no(const void*) noexcept { return 0; }
std::uint32_t yes(const void*) noexcept { return 1; }

constexpr qloom_accumulator kReal{sizeof(qloom_accumulator), 0, accumulate_real, no, no};
constexpr qloom_accumulator kInteger{sizeof(qloom_accumulator), QLOOM_ACCUMULATOR_INTEGER,
                                     accumulate_integer, no, no};
constexpr qloom_accumulator kRefusing{sizeof(qloom_accumulator), 0, refuse, no, no};
constexpr qloom_accumulator kExact{sizeof(qloom_accumulator), 0, refuse, yes, no};

AccumulatorRef reference(const qloom_accumulator& table, std::uint64_t* overflows = nullptr) {
  return {.self = nullptr, .ops = &table, .call = {}, .overflows = overflows};
}

/// The products of each result in order of k; places without a product stay 0.
struct Sums {
  Sums(std::int64_t results, std::int64_t products)
      : k(products), all(static_cast<std::size_t>(results * products)) {}
  double& at(std::int64_t result, std::int64_t place) {
    return all[static_cast<std::size_t>(result * k + place)];
  }
  std::vector<double> real() {
    std::vector<double> out(all.size() / static_cast<std::size_t>(k));
    for (std::size_t i = 0; i < out.size(); ++i) {
      for (std::int64_t j = 0; j < k; ++j) {
        out[i] =
            add_real(out[i], at(static_cast<std::int64_t>(i), j), i, static_cast<std::uint64_t>(j));
      }
    }
    return out;
  }
  std::vector<double> integer(std::uint64_t& overflows) {
    std::vector<double> out(all.size() / static_cast<std::size_t>(k));
    for (std::size_t i = 0; i < out.size(); ++i) {
      for (std::int64_t j = 0; j < k; ++j) {
        out[i] = add_integer(out[i], at(static_cast<std::int64_t>(i), j), overflows);
      }
    }
    return out;
  }
  std::int64_t k;
  std::vector<double> all;
};

struct Products {
  Sums y, dx, dw;
};

/// All products of the three roles, of any number type.
template <class T>
Products products(const ContractionShape& s, const std::vector<T>& x, const std::vector<T>& w,
                  const std::vector<T>& dy) {
  Products p{Sums(s.y_size(), s.fan_in()),
             Sums(s.x_size(), s.kernel_h * s.kernel_w * s.out_c / s.groups),
             Sums(s.w_size(), s.y_size() / s.out_c)};
  const auto of = [](const std::vector<T>& v, std::int64_t i) {
    return static_cast<double>(v[static_cast<std::size_t>(i)]);
  };
  for_each_term(s, [&](const Term& t) {
    p.y.at(t.y, t.forward_k) = of(x, t.x) * of(w, t.w);
    p.dx.at(t.x, t.input_k) = of(dy, t.y) * of(w, t.w);
    p.dw.at(t.w, t.weight_k) = of(x, t.x) * of(dy, t.y);
  });
  return p;
}

std::vector<float> narrowed(const std::vector<double>& sums, double scale) {
  std::vector<float> out(sums.size());
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<float>(sums[i] * scale);
  return out;
}

TEST(ModelledContraction, RealProductsAreAddedInOrderByIndex) {
  for (const auto& [name, shape] : small_shapes()) {
    const ContractionShape s = shape;
    const auto x = random_values(s.x_size(), 1), w = random_values(s.w_size(), 2);
    const auto dy = random_values(s.y_size(), 3), bias = random_values(s.out_c, 4);
    Products expected = products(s, x, w, dy);
    const Operand xo{.values = x.data()}, wo{.values = w.data()}, dyo{.values = dy.data()};
    std::vector<float> y(dy.size(), NAN), dx(x.size(), NAN), dw(w.size(), NAN);
    Contraction contraction;
    contraction.forward(s, xo, wo, nullptr, y.data(), reference(kReal));
    EXPECT_EQ(y, narrowed(expected.y.real(), 1)) << name;
    contraction.input_gradient(s, dyo, wo, dx.data(), reference(kReal));
    EXPECT_EQ(dx, narrowed(expected.dx.real(), 1)) << name;
    contraction.weight_gradient(s, xo, dyo, dw.data(), reference(kReal));
    EXPECT_EQ(dw, narrowed(expected.dw.real(), 1)) << name;
    const std::vector<float> without = y;
    contraction.forward(s, xo, wo, bias.data(), y.data(), reference(kReal));
    for (std::size_t i = 0; i < y.size(); ++i) {
      ASSERT_EQ(y[i], without[i] + bias[i % bias.size()]) << name << " with bias, " << i;
    }
  }
}

/// Random codes of at most `most` in magnitude, of a numbered stream.
Coded coded(std::int64_t n, std::uint64_t stream, float unit, std::int64_t most = 20) {
  return {random_codes(n, stream, -most, most), {unit}};
}

TEST(ModelledContraction, IntegerAccumulatorsGetCodesAndCountOverflows) {
  std::uint64_t seen = 0;
  for (const auto& [name, shape] : small_shapes()) {
    const ContractionShape s = shape;
    const Coded x = coded(s.x_size(), 1, 0.0123F);
    const Coded w = coded(s.w_size(), 2, 0.00345F);
    const Coded dy = coded(s.y_size(), 3, 0.77F);
    Products expected = products(s, x.codes, w.codes, dy.codes);
    std::vector<float> y(dy.values.size()), dx(x.values.size()), dw(w.values.size());
    std::uint64_t overflows = 0, expected_overflows = 0;
    Contraction contraction;
    contraction.forward(s, x.operand(), w.operand(), nullptr, y.data(),
                        reference(kInteger, &overflows));
    EXPECT_EQ(y, narrowed(expected.y.integer(expected_overflows),
                          double{x.scale[0]} * double{w.scale[0]}))
        << name;
    contraction.input_gradient(s, dy.operand(), w.operand(), dx.data(),
                               reference(kInteger, &overflows));
    EXPECT_EQ(dx, narrowed(expected.dx.integer(expected_overflows),
                           double{dy.scale[0]} * double{w.scale[0]}))
        << name;
    contraction.weight_gradient(s, x.codes_alone(), dy.codes_alone(), dw.data(),
                                reference(kInteger, &overflows));
    EXPECT_EQ(dw, narrowed(expected.dw.integer(expected_overflows),
                           double{x.scale[0]} * double{dy.scale[0]}))
        << name;
    EXPECT_EQ(overflows, expected_overflows) << name;
    seen += overflows;
  }
  EXPECT_GT(seen, 100U);  // the register was narrow enough to test something
}

TEST(ModelledContraction, IntegerResultsTakeTheScaleOfTheirOutputChannel) {
  const ContractionShape s{.batch = 3,
                           .in_h = 4,
                           .in_w = 4,
                           .in_c = 4,
                           .out_c = 6,
                           .kernel_h = 3,
                           .kernel_w = 3,
                           .groups = 2};
  const Coded x = coded(s.x_size(), 1, 0.0123F);
  const std::vector<float> scale = random_values(s.out_c, 3, 0.01F, 0.1F);
  const Coded w(random_codes(s.w_size(), 2, -20, 20), scale, s.fan_in());
  std::uint64_t overflows = 0;
  const std::vector<std::int64_t> zero(static_cast<std::size_t>(s.y_size()));
  const auto sums = products(s, x.codes, w.codes, zero).y.integer(overflows);
  std::vector<float> y(sums.size());
  Contraction contraction;
  contraction.forward(s, x.operand(), w.operand(), nullptr, y.data(), reference(kInteger));
  for (std::size_t i = 0; i < y.size(); ++i) {
    ASSERT_EQ(y[i], static_cast<float>(sums[i] * (double{x.scale[0]} * double{scale[i % 6]}))) << i;
  }
}

TEST(ModelledContraction, BitsAndCountsDoNotDependOnTheNumberOfThreads) {
  const ContractionShape s{.batch = 19,
                           .in_h = 9,
                           .in_w = 8,
                           .in_c = 3,
                           .out_c = 70,
                           .kernel_h = 3,
                           .kernel_w = 3,
                           .pad_top = 1,
                           .pad_left = 1};
  const Coded x = coded(s.x_size(), 1, 0.5F);
  const Coded w = coded(s.w_size(), 2, 0.25F);
  const Coded dy = coded(s.y_size(), 3, 0.5F);
  expect_same_for_any_threads([&] {
    Contraction contraction;
    std::uint64_t overflows = 0;
    std::vector<float> y(dy.values.size()), dx(x.values.size()), dw(w.values.size());
    const AccumulatorRef accumulator = reference(kInteger, &overflows);
    contraction.forward(s, x.operand(), w.operand(), nullptr, y.data(), accumulator);
    contraction.input_gradient(s, dy.operand(), w.operand(), dx.data(), accumulator);
    contraction.weight_gradient(s, x.operand(), dy.operand(), dw.data(), accumulator);
    return std::vector{y, dx, dw, {static_cast<float>(overflows)}};
  });
}

TEST(ModelledContraction, LargeLayersAreCutIntoTilesWithoutATrace) {
  const ContractionShape s{.batch = 70, .in_c = 2100, .out_c = 150};
  const auto x = random_values(s.x_size(), 1), w = random_values(s.w_size(), 2);
  std::vector<float> y(static_cast<std::size_t>(s.y_size()));
  Contraction contraction;
  contraction.forward(s, {.values = x.data()}, {.values = w.data()}, nullptr, y.data(),
                      reference(kReal));
  for (std::size_t i = 0; i < y.size(); ++i) {
    double sum = 0;
    for (std::size_t k = 0; k < 2100; ++k) {
      sum = add_real(sum, double{x[i / 150 * 2100 + k]} * double{w[i % 150 * 2100 + k]}, i, k);
    }
    ASSERT_EQ(y[i], static_cast<float>(sum)) << i;
  }
}

/// A register of 16 bits on the compute core's tiles.
qloom_status accumulate_on_tiles(const void*, const qloom_call*, const qloom_tile* tile,
                                 std::uint64_t* overflows) noexcept {
  kernels::table().accumulate_integer(tile, 16, 0, overflows);
  return QLOOM_OK;
}

/// add_integer() with 16 bits: the order in which one loop over all products adds.
std::vector<double> sixteen_bits(Sums& sums, std::uint64_t& overflows) {
  std::vector<double> out(sums.all.size() / static_cast<std::size_t>(sums.k));
  for (std::size_t i = 0; i < out.size(); ++i) {
    for (std::int64_t j = 0; j < sums.k; ++j) {
      const double exact = out[i] + sums.at(static_cast<std::int64_t>(i), j);
      out[i] = std::clamp(exact, -32768.0, 32767.0);
      if (out[i] != exact) ++overflows;
    }
  }
  return out;
}

TEST(ModelledContraction, TilesAndTheirEdgesLeaveNoTraceInSumsAndCounts) {
  constexpr qloom_accumulator kTiles{sizeof(qloom_accumulator), QLOOM_ACCUMULATOR_INTEGER,
                                     accumulate_on_tiles, no, no};
  std::uint64_t seen = 0;
  for (const std::int64_t groups : {1, 2}) {  // columns of the weight gradient end within a place
    const ContractionShape s{.batch = 3,
                             .in_h = 9,
                             .in_w = 8,
                             .in_c = 14,
                             .out_c = 70,
                             .kernel_h = 3,
                             .kernel_w = 3,
                             .stride_h = 2,
                             .pad_top = 1,
                             .pad_bottom = 1,
                             .pad_left = 2,
                             .pad_right = 1,
                             .groups = groups};
    const Coded x = coded(s.x_size(), 1, 0.5F, 120);
    const Coded w = coded(s.w_size(), 2, 0.25F, 90);
    const Coded dy = coded(s.y_size(), 3, 0.5F, 100);
    Products expected = products(s, x.codes, w.codes, dy.codes);
    std::vector<float> y(dy.values.size()), dx(x.values.size()), dw(w.values.size());
    std::uint64_t overflows = 0, expected_overflows = 0;
    Contraction contraction;
    const AccumulatorRef accumulator = reference(kTiles, &overflows);
    contraction.forward(s, x.operand(), w.operand(), nullptr, y.data(), accumulator);
    EXPECT_EQ(y, narrowed(sixteen_bits(expected.y, expected_overflows), 0.125)) << groups;
    contraction.input_gradient(s, dy.operand(), w.operand(), dx.data(), accumulator);
    EXPECT_EQ(dx, narrowed(sixteen_bits(expected.dx, expected_overflows), 0.125)) << groups;
    contraction.weight_gradient(s, x.operand(), dy.operand(), dw.data(), accumulator);
    EXPECT_EQ(dw, narrowed(sixteen_bits(expected.dw, expected_overflows), 0.25)) << groups;
    EXPECT_EQ(overflows, expected_overflows) << groups;
    seen += overflows;
  }
  EXPECT_GT(seen, 100U);
}

/// Real operands: float32 passes would not be exact, so the accumulator itself adds up.
TEST(ModelledContraction, AnExactAccumulatorOfRealValuesAddsThemUp) {
  constexpr qloom_accumulator kExactReal{sizeof(qloom_accumulator), 0, accumulate_real, yes, no};
  const ContractionShape s{
      .batch = 4, .in_h = 3, .in_w = 3, .in_c = 5, .out_c = 6, .kernel_h = 2, .kernel_w = 2};
  const auto x = random_values(s.x_size(), 1), w = random_values(s.w_size(), 2),
             dy = random_values(s.y_size(), 3);
  const auto of = [](const std::vector<float>& v) { return Operand{.values = v.data()}; };
  Contraction contraction;
  for (const bool with_codes : {false, true}) {  // codes on one side alone make no integer sum
    const Coded codes = coded(s.x_size(), 4, 0.5F);
    const Operand left = with_codes ? codes.codes_alone() : of(x);
    std::vector<float> y(static_cast<std::size_t>(s.y_size())), dx(x.size()), dw(w.size());
    std::vector<float> expected_y(y), expected_dx(dx), expected_dw(dw);
    contraction.forward(s, left, of(w), nullptr, y.data(), reference(kExactReal));
    contraction.forward(s, left, of(w), nullptr, expected_y.data(), reference(kReal));
    contraction.input_gradient(s, of(dy), of(w), dx.data(), reference(kExactReal));
    contraction.input_gradient(s, of(dy), of(w), expected_dx.data(), reference(kReal));
    contraction.weight_gradient(s, left, of(dy), dw.data(), reference(kExactReal));
    contraction.weight_gradient(s, left, of(dy), expected_dw.data(), reference(kReal));
    EXPECT_EQ(y, expected_y);
    EXPECT_EQ(dx, expected_dx);
    EXPECT_EQ(dw, expected_dw);
  }
}

TEST(ModelledContraction, AnExactAccumulatorOfCodesChangesNothing) {
  const ContractionShape s{.batch = 4, .in_c = 30, .out_c = 5};
  const Coded x = coded(s.x_size(), 1, 0.5F);
  const Coded w = coded(s.w_size(), 2, 0.3F);
  std::vector<float> with(20), without(20);
  Contraction contraction;
  contraction.forward(s, x.operand(), w.operand(), nullptr, with.data(), reference(kExact));
  contraction.forward(s, x.operand(), w.operand(), nullptr, without.data());
  EXPECT_EQ(with, without);
}

template <class Call>
void expect_error(const Call& call, const std::string& part) {
  try {
    call();
    FAIL() << "expected an error with \"" << part << "\"";
  } catch (const RunError& error) {
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

TEST(ModelledContraction, ErrorsNameTheOperandAndTheReason) {
  const ContractionShape s{.batch = 4, .in_c = 30, .out_c = 5};
  const Coded x = coded(s.x_size(), 1, 0.5F);
  const Coded w = coded(s.w_size(), 2, 0.3F);
  const Coded dy = coded(s.y_size(), 3, 0.5F);
  const Operand real{.values = x.values.data()};
  const Coded per_channel(w.codes, std::vector<float>(5, 0.3F), s.fan_in());
  std::vector<float> y(20), dx(120);
  Contraction contraction;
  expect_error(
      [&] { contraction.forward(s, real, w.operand(), nullptr, y.data(), reference(kInteger)); },
      "the input has real values");
  expect_error(
      [&] {
        contraction.input_gradient(s, dy.operand(), per_channel.operand(), dx.data(),
                                   reference(kInteger));
      },
      "the weight has 5 scales");
  expect_error(
      [&] {
        contraction.forward(s, x.operand(), w.operand(), nullptr, y.data(), reference(kRefusing));
      },
      "width 99 is above the maximum 32");
}

}  // namespace
}  // namespace qloom::test
