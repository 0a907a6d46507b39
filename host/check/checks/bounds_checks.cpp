// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Short tensors and blocks at odd offsets, in memory with guards on both sides: what is read or
// written outside ends the process or changes a guard cell.
#include <algorithm>
#include <cmath>
#include <memory>

#include "host/check/checks/checks.hpp"
#include "host/check/kinds/norm.hpp"
#include "host/check/kinds/products.hpp"
#include "host/check/kinds/quantizer.hpp"
#include "host/check/watch/guarded.hpp"

namespace qloom::check {
namespace {

constexpr std::uint64_t kMostElements = 67;  // all tails of a 64-byte register, and one more round
constexpr std::uint64_t kOffsets[] = {0, 1, 37};  // the last lies in the third group of 16
constexpr Side kSides[] = {Side::kBefore, Side::kAfter};

const char* name(Side side) { return side == Side::kBefore ? "at the front" : "at the end"; }

template <class T>
void expect_intact(Context& context, const Guarded<T>& memory, const char* what) {
  if (!memory.is_intact()) {
    context.find(fmt::format("wrote outside of {} of {} elements", what, memory.size()));
  }
}
template <class T>
void expect_unchanged(Context& context, const Guarded<T>& memory, const T* values,
                      const char* what) {
  expect_intact(context, memory, what);
  if (!memory.equals(values)) context.find(fmt::format("changed its input {}", what));
}
template <class T>
void expect_same(Context& context, const Guarded<T>& found, const std::vector<T>& expected,
                 std::uint64_t first, const char* what) {
  expect_intact(context, found, what);
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (std::memcmp(&found.data()[i], &expected[first + i], sizeof(T)) == 0) continue;
    return context.find(fmt::format("{}: element {} is {}, the whole tensor gave {}", what, i,
                                    found.data()[i], expected[first + i]));
  }
}

/// One block of a prepared quantizer.
struct QuantizerBlock {
  Context& context;
  QuantizerDriver& driver;
  const Tensor& x;
  const Tensor& dy;
  const std::vector<float>& y;  // of the whole tensor
  const std::vector<float>& dx;
  const std::vector<std::int32_t>& codes;  // empty: has none

  void check(std::uint64_t first, std::uint64_t n, Side side) const {
    qloom_error error = registry::empty_error();
    const qloom_call call = pure_call(Rounding::kStochastic, 0, &error);
    const qloom_block block = driver.block(first, n);
    const qloom_quantizer& ops = driver.ops();
    const Guarded<float> in(x.data() + first, n, side), out(n, side);
    ops.apply(driver.self(), &call, &block, in.data(), out.data());
    expect_same(context, out, y, first, "apply() y");
    if (!codes.empty()) {
      const Guarded<std::int32_t> code(n, side);
      ops.encode(driver.self(), &call, &block, in.data(), code.data());
      expect_same(context, code, codes, first, "encode() code");
      const Guarded<float> decoded(n, side);
      ops.decode(driver.self(), &block, code.data(), decoded.data());
      expect_same(context, decoded, y, first, "decode() y");
    }
    if (ops.backward != nullptr) check_backward(call, block, in, first, side);
    expect_unchanged(context, in, x.data() + first, "x");
  }
  void check_backward(const qloom_call& call, const qloom_block& block, const Guarded<float>& in,
                      std::uint64_t first, Side side) const {
    const std::vector<double> zeros(block.group_count * driver.ops().sums_per_group, 0.0);
    const Guarded<float> gradient(dy.data() + first, block.n, side), out(block.n, side);
    const Guarded<double> sums(zeros.data(), zeros.size(), side);
    driver.ops().backward(driver.self(), &call, &block, in.data(), gradient.data(), out.data(),
                          sums.data());
    expect_same(context, out, dx, first, "backward() dx");
    expect_intact(context, sums, "backward() sums");
    expect_unchanged(context, gradient, dy.data() + first, "dy");
  }
};

/// The block of a whole tensor.
qloom_block whole_block(const qloom_tensor& t) { return {0, t.n, t.groups, t.inner, 0, t.groups}; }

/// [pure] calls on a copy of x, after release() has taken away what prepare() was given: the host
/// may move a tensor between two calls.
template <class Release>
void call_elsewhere(const registry::Instance& instance, const qloom_tensor& t, const Tensor& x,
                    const Release& release) {
  const auto& ops = instance.ops<qloom_quantizer>();
  const Guarded<float> in(x.data(), t.n, Side::kAfter), out(t.n, Side::kAfter);
  const std::vector<double> zeros(t.groups * ops.sums_per_group, 0.0);
  const Guarded<double> sums(zeros.data(), zeros.size(), Side::kAfter);
  release();
  qloom_error error = registry::empty_error();
  const qloom_call call = pure_call(Rounding::kNearest, 0, &error);
  const qloom_block block = whole_block(t);
  ops.apply(instance.self(), &call, &block, in.data(), out.data());
  if (ops.backward == nullptr) return;
  ops.backward(instance.self(), &call, &block, in.data(), in.data(), out.data(), sums.data());
}

void check_quantizer_tensors(Context& context, const Case& c) {
  for (std::uint64_t n = 1; n <= kMostElements; ++n) {
    for (const Side side : kSides) {
      context.at("{}, a tensor of {} elements {}", c.text(), n, name(side));
      const Tensor x = gaussian({static_cast<std::int64_t>(n)}, context.seed() + n);
      auto in = std::make_unique<Guarded<float>>(x.data(), n, side);
      registry::Instance instance = context.create(c);
      const auto& ops = instance.ops<qloom_quantizer>();
      qloom_tensor t = geometry_of(c.grid(), ops.caps, x, 0);
      t.data = in->data();
      const std::vector<qloom_range> ranges(t.groups, qloom_range{-2.0, 2.0});
      qloom_prepare prepare{};
      prepare.struct_size = sizeof prepare;
      prepare.training = 1;
      prepare.x = t;
      prepare.ranges = ranges.data();
      const std::vector<double> products(t.groups, 0.0078);
      prepare.product_scales = products.data();
      prepare.learning_rate = 0.125;
      const Tensor ones = uniform({static_cast<std::int64_t>(n)}, context.seed(), 0.25F, 1.0F);
      auto weights = std::make_unique<Guarded<float>>(ones.data(), n, side);
      prepare.importance = prepare.second_moment = weights->data();
      constexpr std::uint32_t kRanges =
          QLOOM_QUANTIZER_WANTS_RANGE | QLOOM_QUANTIZER_WANTS_EXTREMES;
      if ((ops.caps & kRanges) == 0) prepare.ranges = nullptr;
      if ((ops.caps & QLOOM_QUANTIZER_WANTS_PRODUCTS) == 0) prepare.product_scales = nullptr;
      qloom_error error = registry::empty_error();
      if (ops.prepare(instance.self(), &prepare, &error) != QLOOM_OK) continue;
      if (ops.backward_prepare != nullptr) {
        ops.backward_prepare(instance.self(), &t, &t, &error);
      }
      expect_unchanged(context, *in, x.data(), "x");
      call_elsewhere(instance, t, x, [&] { in.reset(); });
    }
  }
}

void check_quantizer_bounds(Context& context, const Case& c) {
  check_quantizer_tensors(context, c);
  const Tensor x = gaussian({7, 16}, context.seed() + 21);
  const Tensor dy = gaussian({7, 16}, context.seed() + 22);
  registry::Instance instance = context.create(c);
  QuantizerDriver driver(context, c, instance, x, 0);
  context.at("{}, 7 x 16", c.text());
  if (!driver.prepare(0).empty()) return;
  driver.spread();
  const auto y = std::get<std::vector<float>>(driver.apply(Rounding::kStochastic, x.size()).values);
  const auto dx = std::get<std::vector<float>>(
      driver.backward(Rounding::kStochastic, dy, x.size()).front().values);
  std::vector<std::int32_t> codes;
  if (driver.encodes()) {
    codes =
        std::get<std::vector<std::int32_t>>(driver.encode(Rounding::kStochastic, x.size()).values);
  }
  const QuantizerBlock blocks{context, driver, x, dy, y, dx, codes};
  for (std::uint64_t n = 0; n <= kMostElements; ++n) {
    for (const std::uint64_t first : kOffsets) {
      for (const Side side : kSides) {
        context.at("{}, a block of {} elements from {} {}", c.text(), n, first, name(side));
        blocks.check(first, n, side);
      }
    }
  }
}

void check_range_bounds(Context& context, const Case& c) {
  const qloom_range_context grid{sizeof(qloom_range_context), 8, 1, 0, 256, 0, 0};
  for (std::uint64_t n = 1; n <= kMostElements; ++n) {
    for (const std::uint64_t groups : {std::uint64_t{1}, n}) {
      for (const Side side : kSides) {
        context.at("{}, {} elements in {} groups {}", c.text(), n, groups, name(side));
        const Tensor x = gaussian({static_cast<std::int64_t>(n)}, context.seed() + n);
        const Guarded<qloom_range> out(groups, side);
        auto in = std::make_unique<Guarded<float>>(x.data(), n, side);
        const qloom_tensor t{in->data(), x.shape().data(), 1, n, 1, groups, n / groups};
        registry::Instance instance = context.create(c);
        const auto& ops = instance.ops<qloom_range_estimator>();
        qloom_error error = registry::empty_error();
        for (std::uint32_t pass = 0; pass < ops.passes; ++pass) {
          ops.begin(instance.self(), &grid, pass, &error);
          ops.observe(instance.self(), &t, &error);
          ops.end(instance.self(), pass, &error);
        }
        expect_unchanged(context, *in, x.data(), "x");
        in.reset();  // the tensor may be gone when the ranges are asked for
        ops.ranges(instance.self(), out.data(), groups, &error);
        expect_intact(context, out, "the ranges");
      }
    }
  }
}

void check_rounding_bounds(Context& context, const Case& c) {
  const registry::Instance instance = context.create(c);
  const Tensor x = gaussian({112}, context.seed() + 23, 20.0F);
  std::vector<float> whole(x.size());
  static_cast<void>(round_values(context, instance, 0, 0, x.data(), whole.data(), x.size()));
  for (std::uint64_t n = 0; n <= kMostElements; ++n) {
    for (const std::uint64_t first : kOffsets) {
      for (const Side side : kSides) {
        context.at("{}, {} elements from {} {}", c.text(), n, first, name(side));
        const Guarded<float> in(x.data() + first, n, side), out(n, side);
        static_cast<void>(round_values(context, instance, first, 0, in.data(), out.data(), n));
        expect_same(context, out, whole, first, "round() y");
        expect_unchanged(context, in, x.data() + first, "x");
      }
    }
  }
}

/// rows x columns small whole numbers, `between` other cells after each row but the last.
Tensor spaced_integers(std::uint64_t rows, std::uint64_t columns, std::uint64_t between,
                       std::uint64_t seed) {
  constexpr float kBetween = 1000.0F;  // far from the numbers
  const std::uint64_t pitch = columns + between, n = rows == 0 ? 0 : rows * pitch - between;
  const Tensor numbers =
      gaussian({static_cast<std::int64_t>(rows), static_cast<std::int64_t>(columns)}, seed, 4.0F);
  Tensor x(Shape{static_cast<std::int64_t>(n)});
  for (std::uint64_t i = 0; i < n; ++i) {
    const std::uint64_t row = i / pitch, column = i % pitch;
    x[i] = column < columns ? std::nearbyint(numbers[row * columns + column]) : kBetween;
  }
  return x;
}

/// What stands in c before.
constexpr double kCell = -12345;

/// m x n results of k products; rows of a, b and c lie 0 or, where they are apart, 1, 3 and 2
/// elements apart.
qloom_tile tile_of(const float* a, const float* b, double* c, std::uint64_t m, std::uint64_t n,
                   std::uint64_t k, bool are_apart) {
  const auto pitch = [are_apart](std::uint64_t count, std::uint64_t space) {
    return static_cast<std::int64_t>(count + (are_apart ? space : 0));
  };
  return {a, b, c, pitch(k, 1), pitch(n, 3), pitch(n, 2), m, n, k, 0, n};
}

/// Results of n columns with two cells between the rows: each as without them, the cells as before.
void expect_results(Context& context, const double* c, std::size_t cells, std::uint64_t n,
                    const std::vector<double>& expected) {
  for (std::size_t i = 0; i < cells; ++i) {
    const bool is_result = i % (n + 2) < n;
    if (!is_result && c[i] != kCell) {
      context.find(fmt::format("wrote between two rows of c, element {}", i));
    }
    if (!is_result) continue;
    if (c[i] == kCell) context.find(fmt::format("left element {} of c", i));
    const double dense = expected[i / (n + 2) * n + i % (n + 2)];
    if (c[i] != dense) {
      context.find(
          fmt::format("element {} of c is {}, without space between the rows {}", i, c[i], dense));
    }
  }
}

/// One tile of m x n results of k products; the rows of a, b and c lie 1, 3 and 2 elements apart.
void check_tile(Context& context, const registry::Instance& instance, std::uint64_t m,
                std::uint64_t n, std::uint64_t k, Side side) {
  const auto& ops = instance.ops<qloom_accumulator>();
  const Tensor a = spaced_integers(m, k, 1, 3), b = spaced_integers(k, n, 3, 4);
  const Tensor dense_a = spaced_integers(m, k, 0, 3), dense_b = spaced_integers(k, n, 0, 4);
  std::vector<double> expected(m * n, kCell);
  const std::vector<double> cells((m - 1) * (n + 2) + n, kCell);
  const Guarded<float> left(a.data(), a.size(), side), right(b.data(), b.size(), side);
  const Guarded<double> c(cells.data(), cells.size(), side);
  const qloom_tile tile = tile_of(left.data(), right.data(), c.data(), m, n, k, true);
  qloom_error error = registry::empty_error();
  const qloom_call call = pure_call(Rounding::kStochastic, 0, &error);
  std::uint64_t overflows = 0;
  ops.accumulate(instance.self(), &call, &tile, &overflows);
  const qloom_tile dense = tile_of(dense_a.data(), dense_b.data(), expected.data(), m, n, k, false);
  ops.accumulate(instance.self(), &call, &dense, &overflows);
  expect_intact(context, c, "accumulate() c");
  expect_results(context, c.data(), cells.size(), n, expected);
  expect_unchanged(context, left, a.data(), "a");
  expect_unchanged(context, right, b.data(), "b");
}

void check_accumulator_bounds(Context& context, const Case& c) {
  const registry::Instance instance = context.create(c);
  for (const std::uint64_t k : {0U, 1U, 2U, 7U, 33U, 67U}) {
    for (const std::uint64_t m : {1U, 2U, 5U}) {
      for (const std::uint64_t n : {1U, 3U, 8U, 17U, 35U}) {
        for (const Side side : kSides) {
          context.at("{}, {} x {} results of {} products {}", c.text(), m, n, k, name(side));
          check_tile(context, instance, m, n, k, side);
        }
      }
    }
  }
}

/// rows x channels through one instance: prepare, apply, sums, backward.
void check_norm_rows(Context& context, const Case& c, std::uint64_t rows, std::uint64_t channels,
                     Side side) {
  const Shape shape{static_cast<std::int64_t>(rows), static_cast<std::int64_t>(channels)};
  const Tensor x = gaussian(shape, context.seed() + 24), dy = gaussian(shape, context.seed() + 25);
  registry::Instance instance = context.create(c);
  NormDriver driver(context, instance, x);
  static_cast<void>(driver.begin());
  const qloom_norm& ops = driver.ops();
  auto batch = std::make_unique<Guarded<float>>(x.data(), x.size(), side);
  const Guarded<float> in(x.data(), x.size(), side), gradient(dy.data(), dy.size(), side);
  const Guarded<float> y(x.size(), side), dx(x.size(), side), dgamma(channels, side),
      dbeta(channels, side), scale(channels, side), shift(channels, side);
  const std::vector<double> zeros(ops.sums_per_channel * channels, 0.0);
  const Guarded<double> sums(zeros.data(), zeros.size(), side);
  const qloom_norm_call call = driver.call(QLOOM_MODE_TRAINING);
  qloom_error error = registry::empty_error();
  if (ops.prepare(driver.self(), &call, batch->data(), &error) != QLOOM_OK) return;
  expect_unchanged(context, *batch, x.data(), "x");
  batch.reset();  // the rows may lie elsewhere in later calls
  ops.apply(driver.self(), &call, 0, rows, in.data(), y.data());
  ops.backward_sums(driver.self(), &call, 0, rows, in.data(), gradient.data(), sums.data());
  ops.backward_prepare(driver.self(), &call, sums.data(), dgamma.data(), dbeta.data(), &error);
  ops.backward(driver.self(), &call, 0, rows, in.data(), gradient.data(), dx.data());
  ops.inference(driver.self(), &call, scale.data(), shift.data(), &error);
  for (const auto* out : {&y, &dx, &dgamma, &dbeta, &scale, &shift}) {
    expect_intact(context, *out, "an output");
  }
  expect_intact(context, sums, "the sums");
  expect_unchanged(context, in, x.data(), "x");
  expect_unchanged(context, gradient, dy.data(), "dy");
}

void check_norm_bounds(Context& context, const Case& c) {
  for (const std::uint64_t channels : {1U, 2U, 3U, 7U, 16U, 33U}) {
    for (std::uint64_t rows = 1; rows <= 2 + kMostElements / channels; ++rows) {
      for (const Side side : kSides) {
        context.at("{}, {} rows of {} channels {}", c.text(), rows, channels, name(side));
        check_norm_rows(context, c, rows, channels, side);
      }
    }
  }
}

}  // namespace

void check_bounds(Context& context) {
  const std::string& kind = context.method().kind;
  for (const Case& c : context.accepted()) {
    if (kind == "quantizer") check_quantizer_bounds(context, c);
    if (kind == "range") check_range_bounds(context, c);
    if (kind == "norm") check_norm_bounds(context, c);
    if (kind == "rounding") check_rounding_bounds(context, c);
    if (kind == "accumulator") check_accumulator_bounds(context, c);
  }
}

}  // namespace qloom::check
