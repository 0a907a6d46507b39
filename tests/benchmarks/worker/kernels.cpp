// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The compute core alone: a kernel on blocks of the array, on all threads.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <vector>

#include <qloom/geometry.hpp>

#include "host/kernels/kernels.hpp"
#include "host/tensor/parallel.hpp"
#include "tests/benchmarks/worker/cases.hpp"

namespace qloom::bench {
namespace {

qloom_call make_call(const Json& params) {
  qloom_call call{};
  call.struct_size = sizeof call;
  call.seed = 1;
  call.stream = 2;
  const std::uint32_t bits = params.value("random_bits", 0U);
  call.rounding.rule = bits > 0 ? QLOOM_ROUND_STOCHASTIC : QLOOM_ROUND_NEAREST_EVEN;
  call.rounding.argument = bits;
  return call;
}

/// One input, one output and the block that a kernel gets: outer x groups x inner.
struct Plane {
  Tensor x, y;
  std::uint64_t groups = 1, inner = 1, block = 1;

  explicit Plane(const Json& params) : x(read_array(params)), y(x.shape()) {
    groups = params.value("groups", std::uint64_t{1});
    inner = params.value("inner", groups == 1 ? x.size() : std::uint64_t{1});
    block = params.value("block", std::uint64_t{16 * kTileElements});
  }

  template <class Body>
  void for_each_block(const Body& body) {
    for_each((x.size() + block - 1) / block, [&](std::uint64_t i) {
      const std::uint64_t first = i * block;
      const std::uint64_t n = std::min<std::uint64_t>(block, x.size() - first);
      const qloom_tensor t{nullptr, nullptr, 0, x.size(), 1, groups, inner};
      body(sdk::block_of(t, first, n), x.data() + first, y.data() + first);
    });
  }
};

/// A grid of `bits` codes over [-range, range] per group: asymmetric with a zero point, or binary
/// point (step a power of two, signed codes).
struct Grid {
  std::vector<float> scale, inverse;
  std::vector<std::int32_t> zero, lo, hi;
  explicit Grid(const Json& params) {
    const auto groups = params.value("groups", std::size_t{1});
    const double levels = std::exp2(params.value("bits", 8)) - 1;
    const bool fixed = params.value("fixed_point", false);
    const double step = fixed ? 1.0 / 16 : 8.0 / levels;
    const double low = fixed ? -(levels + 1) / 2 : 0;
    zero.assign(groups, fixed ? 0 : static_cast<std::int32_t>(std::nearbyint(4.0 / step)));
    lo.assign(groups, static_cast<std::int32_t>(low));
    hi.assign(groups, static_cast<std::int32_t>(low + levels));
    for (std::size_t g = 0; g < groups; ++g) {
      const double factor = fixed || groups == 1 ? 1.0 : 1.0 + 0.5 * static_cast<double>(g % 7) / 7;
      scale.push_back(static_cast<float>(step * factor));
      inverse.push_back(1.0F / scale.back());
    }
  }
  [[nodiscard]] qloom_grid view() const {
    return {scale.data(), inverse.data(), nullptr, zero.data(), lo.data(), hi.data()};
  }
};

Case affine(const Json& params) {
  auto plane = std::make_shared<Plane>(params);
  auto grid = std::make_shared<Grid>(params);
  const qloom_call call = make_call(params);
  const auto run = [plane, grid, call] {
    const qloom_grid view = grid->view();
    plane->for_each_block([&](const qloom_block& b, const float* x, float* y) {
      kernels::table().affine(&call, &view, &b, x, y, nullptr);
    });
  };
  return {run, static_cast<double>(plane->x.size())};
}

Case minifloat(const Json& params) {
  auto plane = std::make_shared<Plane>(params);
  const auto e = params.at("exponent_bits").get<std::uint32_t>();
  const qloom_float_format format{e,
                                  params.at("mantissa_bits").get<std::uint32_t>(),
                                  (1 << (e - 1)) - 1,
                                  QLOOM_SPECIALS_IEEE,
                                  1,
                                  1};
  const qloom_call call = make_call(params);
  const auto run = [plane, format, call] {
    plane->for_each_block([&](const qloom_block& b, const float* x, float* y) {
      kernels::table().minifloat(&call, &format, &b, x, y, nullptr);
    });
  };
  return {run, static_cast<double>(plane->x.size())};
}

/// kTiles tiles of 64 x 64 results with 576 products each.
struct Tiles {
  static constexpr std::uint64_t kTiles = 32, kM = 64, kN = 64, kK = 576;
  std::vector<float> a = std::vector<float>(kM * kK), b = std::vector<float>(kK * kN);
  std::vector<double> c = std::vector<double>(kTiles * kM * kN);

  /// 4-bit times 8-bit codes.
  Tiles() {
    for (std::size_t i = 0; i < a.size(); ++i) a[i] = static_cast<float>(i * 31 % 15) - 7.0F;
    for (std::size_t i = 0; i < b.size(); ++i) b[i] = static_cast<float>(i * 37 % 255) - 127.0F;
  }
  [[nodiscard]] qloom_tile tile(std::uint64_t i) {
    return {a.data(), b.data(), c.data() + i * kM * kN, kK, kN, kN, kM, kN, kK, i * kM * kN, kN};
  }
  static double products() { return static_cast<double>(kTiles * kM * kN * kK); }
};

Case accumulate_integer(const Json& params) {
  auto tiles = std::make_shared<Tiles>();
  const auto width = params.at("bits").get<std::uint32_t>();
  const std::uint32_t wrap = params.value("wrap", false) ? 1 : 0;
  const auto run = [tiles, width, wrap] {
    for_each(Tiles::kTiles, [&](std::uint64_t i) {
      const qloom_tile tile = tiles->tile(i);
      std::uint64_t overflows = 0;
      kernels::table().accumulate_integer(&tile, width, wrap, &overflows);
    });
  };
  return {run, Tiles::products()};
}

Case accumulate_float(const Json& params) {
  auto tiles = std::make_shared<Tiles>();
  const qloom_call call = make_call(params);
  const qloom_float_format format{6, 9, 31, QLOOM_SPECIALS_IEEE, 1, 1};
  const auto chunk = params.value("chunk", std::uint64_t{64});
  const auto run = [tiles, call, format, chunk] {
    for_each(Tiles::kTiles, [&](std::uint64_t i) {
      const qloom_tile tile = tiles->tile(i);
      std::uint64_t overflows = 0;
      kernels::table().accumulate_float(&call, &tile, &format, chunk, &overflows);
    });
  };
  return {run, Tiles::products()};
}

}  // namespace

void add_kernels(Cases& cases) {
  cases["affine"] = affine;
  cases["minifloat"] = minifloat;
  cases["accumulate_integer"] = accumulate_integer;
  cases["accumulate_float"] = accumulate_float;
}

}  // namespace qloom::bench
