// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/compile/training/probe.hpp"

#include <algorithm>
#include <cmath>

#include "host/tensor/random.hpp"

namespace qloom::compile {
namespace {

using steps::Rounding;

constexpr std::int64_t kWholePoints = std::int64_t{1} << 16;
constexpr std::uint64_t kRandomPoints = 1U << 15;
constexpr int kFloatBits = 24;
constexpr std::size_t kLargestEvery = 50;  // elements: each tensor that is tried has more

constexpr Rounding kRoundings[] = {Rounding::kNearestEven,    Rounding::kNearestAway,
                                   Rounding::kNearestUp,      Rounding::kTowardZero,
                                   Rounding::kTowardNegative, Rounding::kTowardPositive};

std::uint64_t drawn(std::uint64_t i) {
  return std::uint64_t{random_word(1, 1, 0, 2 * i)} << 32 | random_word(1, 1, 0, 2 * i + 1);
}

/// Scale and codes of the grid that the site prepared last; nothing where it has none of equal
/// scales that are powers of two.
struct PowerGrid {
  int exponent = 0;
  Interval codes;
};
std::optional<PowerGrid> grid_of(const SiteQuantizer& site) {
  const qloom_encoding e = site.encoding();
  if (e.kind != QLOOM_ENCODING_AFFINE || e.grid.offset != nullptr) return std::nullopt;
  const auto exponent = power_of_two(double{e.grid.scale[0]});
  if (!exponent) return std::nullopt;
  for (std::uint64_t g = 0; g < e.groups; ++g) {
    if (e.grid.scale[g] != e.grid.scale[0] || e.grid.zero_point[g] != e.grid.zero_point[0] ||
        e.grid.code_min[g] != e.grid.code_min[0] || e.grid.code_max[g] != e.grid.code_max[0]) {
      return std::nullopt;
    }
  }
  const std::int64_t zero = e.grid.zero_point[0];
  return PowerGrid{*exponent, {e.grid.code_min[0] - zero, e.grid.code_max[0] - zero}};
}

/// Where the codes of a shift by n places change.
std::vector<std::int64_t> places_of(Interval codes, int n) {
  std::vector<std::int64_t> places;
  if (n < 0 || n > 40 || codes.hi - codes.lo > 1 << 16) return places;
  for (std::int64_t code = codes.lo - 1; code <= codes.hi + 1; ++code) {
    const std::int64_t at = code * (std::int64_t{1} << n);
    places.push_back(at);
    if (n > 0) places.push_back(at + (std::int64_t{1} << (n - 1)));
  }
  return places;
}

/// Compares a function of tensors with one of integers on all points; several tensors, each begun
/// at another point, so that a point is seen at several places of the shape.
bool is_equal(const Function& function, const Shape& shape, int exponent, int out_exponent,
              const std::vector<std::int64_t>& points,
              const std::function<std::int64_t(std::int64_t)>& expected) {
  const std::size_t n = element_count(shape);
  Tensor y;
  for (std::size_t first = 0; first < points.size() + n; first += n) {
    const Tensor x = tensor_of_points(points, shape, first + first / n, exponent);
    function(x, y);
    for (std::size_t i = 0; i < n; ++i) {
      const std::int64_t v = points[(first + first / n + i) % points.size()];
      if (std::ldexp(double{y[i]}, -out_exponent) != static_cast<double>(expected(v))) return false;
    }
  }
  return true;
}

steps::Chain shift_and_clamp(int n, Rounding rounding, Interval codes) {
  steps::Chain chain;
  if (n > 0) chain.push_back({steps::Op::kShiftRight, rounding, {n}, 1});
  if (n < 0) chain.push_back({steps::Op::kShiftLeft, Rounding::kTowardNegative, {-n}, 1});
  chain.push_back({steps::Op::kClamp, Rounding::kTowardNegative, {codes.lo, codes.hi}, 2});
  return chain;
}

Function forward_of(const Tried& tried) {
  return [&tried](const Tensor& x, Tensor& y) { tried.site.forward(x, y, tried.phase); };
}

}  // namespace

std::optional<int> power_of_two(double value) {
  int exponent = 0;
  if (std::frexp(value, &exponent) != 0.5) return std::nullopt;
  return exponent - 1;
}

std::vector<std::int64_t> points_of(Interval range, const std::vector<std::int64_t>& places) {
  std::vector<std::int64_t> points;
  if (range.hi - range.lo < kWholePoints) {
    for (std::int64_t v = range.lo; v <= range.hi; ++v) points.push_back(v);
    return points;
  }
  const auto add = [&](std::int64_t v) {
    points.push_back(step_program::significant(std::clamp(v, range.lo, range.hi), kFloatBits));
  };
  for (const std::int64_t v : {range.lo, range.hi, std::int64_t{0}}) {
    for (const int by : {-1, 0, 1}) add(v + by);
  }
  for (const std::int64_t place : places) {
    for (const int by : {-1, 0, 1}) add(place + by);
  }
  const auto width = static_cast<std::uint64_t>(range.hi - range.lo);
  for (std::uint64_t i = 0; i < kRandomPoints; ++i) {
    const std::uint64_t word = drawn(i);
    add(range.lo + static_cast<std::int64_t>(word % width));
    add(static_cast<std::int64_t>(word % width >> word % 61) * (word >> 63 != 0 ? 1 : -1));
  }
  return points;
}

Tensor tensor_of_points(const std::vector<std::int64_t>& v, const Shape& shape, std::size_t first,
                        int exponent) {
  Tensor x;
  x.resize(shape);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const auto value = static_cast<double>(v[(first + i) % v.size()]);
    x[i] = static_cast<float>(std::ldexp(value, exponent));
  }
  return x;
}

std::optional<Fixed> find_fixed(const Tried& tried, Interval range) {
  if (tried.site.rounds_at_random() || tried.site.learns()) return std::nullopt;
  const Function forward = forward_of(tried);
  Tensor y;
  forward(tensor_of_points({range.lo, 0, range.hi}, tried.shape, 0, tried.exponent), y);
  const auto grid = grid_of(tried.site);
  if (!grid) return std::nullopt;
  const int n = grid->exponent - tried.exponent;
  if (n > 40 || n < -20) return std::nullopt;
  const std::vector<std::int64_t> points = points_of(range, places_of(grid->codes, n));
  for (const Rounding rounding : kRoundings) {
    const steps::Chain chain = shift_and_clamp(n, rounding, grid->codes);
    const bool is_same = is_equal(forward, tried.shape, tried.exponent, grid->exponent, points,
                                  [&](std::int64_t v) { return steps::apply(chain, 0, v); });
    if (is_same) return Fixed{chain, grid->exponent};
  }
  return std::nullopt;
}

std::optional<Fixed> find_table(SiteQuantizer& site, const Pixels& pixels,
                                const network::Phase& phase) {
  constexpr std::int64_t kBytes = 256;
  if (site.rounds_at_random() || site.learns()) return std::nullopt;
  Tensor x, y;
  x.resize({kBytes, 1, 1, pixels.channels});
  std::copy(pixels.values.begin(), pixels.values.end(), x.data());
  site.forward(x, y, phase);
  const auto grid = grid_of(site);
  if (!grid) return std::nullopt;
  steps::Step table{.op = steps::Op::kTable, .constants = {}, .per_channel = kBytes};
  for (std::int64_t c = 0; c < pixels.channels; ++c) {
    for (std::int64_t byte = 0; byte < kBytes; ++byte) {
      const auto at = static_cast<std::size_t>(byte * pixels.channels + c);
      const double code = std::ldexp(double{y[at]}, -grid->exponent);
      if (code != std::nearbyint(code)) return std::nullopt;
      table.constants.push_back(static_cast<std::int64_t>(code));
    }
  }
  // Half of the bytes alone: where the scale follows the tensor it is another one then.
  Tensor half, again;
  half.resize({kBytes / 2, 1, 1, pixels.channels});
  std::copy_n(x.data(), half.size(), half.data());
  site.forward(half, again, phase);
  if (!std::equal(again.begin(), again.end(), y.begin())) return std::nullopt;
  return Fixed{{table}, grid->exponent};
}

std::optional<Normalised> find_normalised(const Tried& tried) {
  if (tried.site.rounds_at_random() || tried.site.learns()) return std::nullopt;
  const Function forward = forward_of(tried);
  Tensor y;
  forward(tensor_of_points({1, -1}, tried.shape, 0, tried.exponent), y);
  const auto grid = grid_of(tried.site);
  if (!grid || grid->exponent > 0 || grid->exponent < -30) return std::nullopt;
  Normalised found{-grid->exponent, Rounding::kNearestEven, grid->codes, grid->exponent};
  const auto holds = [&](Rounding rounding) {
    for (int e = 0; e <= 30; ++e) {
      // Around 2^e sqrt 2, where the exponent of the largest magnitude changes, and at 2^e.
      const auto root = static_cast<std::int64_t>(std::ldexp(std::sqrt(2.0), e));
      for (const std::int64_t largest : {std::int64_t{1} << e, root, root + 1}) {
        const std::int64_t most = step_program::significant(largest, kFloatBits);
        std::vector<std::int64_t> points = points_of(
            {-most, most},
            places_of(grid->codes,
                      step_program::exponent_of(static_cast<std::uint64_t>(most)) - found.bits));
        points.resize(std::min<std::size_t>(points.size(), 3000));
        for (std::size_t i = 0; i < points.size(); i += kLargestEvery) points[i] = most;
        const int shift = found.bits - step_program::exponent_of(static_cast<std::uint64_t>(most));
        const auto expected = [&](std::int64_t v) {
          const std::int64_t code =
              shift >= 0 ? v * (std::int64_t{1} << shift) : steps::shift_right(v, -shift, rounding);
          return std::clamp(code, grid->codes.lo, grid->codes.hi);
        };
        if (!is_equal(forward, tried.shape, tried.exponent, grid->exponent, points, expected)) {
          return false;
        }
      }
    }
    return true;
  };
  for (const Rounding rounding : kRoundings) {
    found.rounding = rounding;
    if (holds(rounding)) return found;
  }
  return std::nullopt;
}

std::optional<Interval> find_passing(const Gradient& gradient, const Shape& shape, int exponent,
                                     Interval range, const std::vector<std::int64_t>& places) {
  std::vector<std::int64_t> points = points_of(range, places);
  std::sort(points.begin(), points.end());
  points.erase(std::unique(points.begin(), points.end()), points.end());
  std::vector<char> passes(points.size());
  const std::size_t n = element_count(shape);
  Tensor dy, dx;
  dy.resize(shape);
  for (std::size_t i = 0; i < n; ++i) dy[i] = static_cast<float>(i % 7) - 2.5F;
  for (std::size_t first = 0; first < points.size(); first += n) {
    gradient(tensor_of_points(points, shape, first, exponent), dy, dx);
    for (std::size_t i = 0; i < n; ++i) {
      if (dx[i] != dy[i] && dx[i] != 0) return std::nullopt;
      passes[(first + i) % points.size()] = dx[i] == dy[i] ? 1 : 0;
    }
  }
  const auto first = std::find(passes.begin(), passes.end(), 1);
  if (first == passes.end()) return std::nullopt;
  const auto last = std::find(first, passes.end(), 0);
  if (std::find(last, passes.end(), 1) != passes.end()) return std::nullopt;
  const auto a = static_cast<std::size_t>(first - passes.begin());
  const auto b = static_cast<std::size_t>(last - passes.begin());
  // The ends are known where the neighbours outside were tried too.
  const bool is_sharp = (a == 0 || points[a - 1] == points[a] - 1) &&
                        (b == points.size() || points[b] == points[b - 1] + 1);
  if (!is_sharp) return std::nullopt;
  return Interval{points[a], points[b - 1]};
}

std::optional<Interval> find_passing(const Tried& tried, Interval range) {
  const auto gradient = [&tried](const Tensor& x, const Tensor& dy, Tensor& dx) {
    Tensor y;
    tried.site.forward(x, y, tried.phase);
    tried.site.backward(x, dy, dx);
  };
  Tensor y;
  tried.site.forward(tensor_of_points({range.lo, range.hi}, tried.shape, 0, tried.exponent), y,
                     tried.phase);
  const auto grid = grid_of(tried.site);
  if (!grid) return std::nullopt;
  return find_passing(gradient, tried.shape, tried.exponent, range,
                      places_of(grid->codes, grid->exponent - tried.exponent));
}

std::optional<Interval> find_clamp(const Function& function, const Shape& shape, int exponent,
                                   Interval range) {
  Tensor y;
  function(tensor_of_points({range.lo, range.hi}, shape, 0, exponent), y);
  const auto code = [&](float value) { return std::ldexp(double{value}, -exponent); };
  const double lo = code(y[0]), hi = code(y[y.size() > 1 ? 1 : 0]);
  if (lo != std::nearbyint(lo) || hi != std::nearbyint(hi) || lo > hi) return std::nullopt;
  const Interval clamp{static_cast<std::int64_t>(lo), static_cast<std::int64_t>(hi)};
  const bool is_same =
      is_equal(function, shape, exponent, exponent, points_of(range, {clamp.lo, clamp.hi}),
               [&](std::int64_t v) { return std::clamp(v, clamp.lo, clamp.hi); });
  if (!is_same) return std::nullopt;
  return clamp;
}

}  // namespace qloom::compile
