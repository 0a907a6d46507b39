// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Does a quantize node do what its encoding's uniform grid says, and nothing else?
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "host/kernels/kernels.hpp"
#include "host/sites/site_quantizer.hpp"
#include "host/tensor/error.hpp"

namespace qloom::sites {
namespace {

constexpr std::uint64_t kMostTiles = 16;  // that are tried; they lie all over the tensor
constexpr std::uint64_t kValues = 1
                                  << 16;  // that are tried, in as many rounds as a small one needs
constexpr std::uint64_t kMostRounds = 4096;
constexpr double kStride = 0.6180339887498949;  // of the golden ratio: values lie close everywhere

/// Values from two codes below the grid to two above it, and the points of the grid themselves.
/// `turn`: number of the first value.
void fill(const qloom_tensor& t, const qloom_grid& grid, const qloom_block& block,
          std::uint64_t turn, float* x) {
  for (std::uint64_t i = 0; i < block.n; ++i) {
    const std::uint64_t g = (block.first + i) / t.inner % t.groups;
    const double low = grid.code_min[g] - 2.0, width = grid.code_max[g] + 2.0 - low;
    const double turns = static_cast<double>(turn + i) * kStride;
    double code = low + width * (turns - std::floor(turns));
    if ((turn + i) % 4 == 3) code = std::floor(code);
    const double offset = grid.offset == nullptr ? 0.0 : double{grid.offset[g]};
    x[i] = static_cast<float>(offset + (code - grid.zero_point[g]) * double{grid.scale[g]});
  }
}

}  // namespace

bool SiteQuantizer::is_its_grid() {
  const qloom_encoding e = encoding();
  if (e.kind != QLOOM_ENCODING_AFFINE) return false;
  if (!acting().has_codes() || geometry_.n == 0 || e.groups != geometry_.groups) return false;
  start_tiles();
  const qloom_call present = call();
  const std::uint64_t all = methods::tile_count(geometry_.n), tiles = std::min(all, kMostTiles);
  const std::uint64_t per_round = std::min(geometry_.n, tiles * kTileElements);
  const std::uint64_t rounds = std::clamp<std::uint64_t>(kValues / per_round, 1, kMostRounds);
  std::array<float, kTileElements> x, own, of_grid;
  for (std::uint64_t i = 0; i < rounds * tiles; ++i) {
    const qloom_block block = methods::tile_of(geometry_, i % tiles * all / tiles);
    fill(geometry_, e.grid, block, i / tiles * per_round + i % tiles * kTileElements, x.data());
    acting().apply(block.first, block.n, x.data(), own.data());
    if (kernels::table().affine(&present, &e.grid, &block, x.data(), of_grid.data(), nullptr) !=
            QLOOM_OK ||
        std::memcmp(own.data(), of_grid.data(), block.n * sizeof(float)) != 0) {
      return false;
    }
  }
  try {
    acting().check_tiles();
  } catch (const RunError&) {  // it refuses such values
    return false;
  }
  return true;
}

}  // namespace qloom::sites
