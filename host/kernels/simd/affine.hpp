// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// reference/affine.hpp, one batch at a time.
#pragma once

#include "host/kernels/simd/round.hpp"

namespace qloom::kernels::simd {

/// ref::Grid for a run: PerElement has one grid for each element.
template <class Arch, bool PerElement>
class Grid {
 public:
  using F = Floats<Arch>;
  explicit Grid(const GridRun& g) noexcept
      : scale_(g.scale), inv_scale_(g.inv_scale), zero_point_(g.zero_point), offset_(g.offset),
        code_min_(g.code_min), code_max_(g.code_max) {}

  template <class Io>
  F steps(const F& x, const Io& io, std::uint64_t i) const noexcept {
    return (x - offset_.at(io, i)) * inv_scale_.at(io, i);
  }
  /// xsimd's max and min give the second operand where one is NaN, as the definition does.
  template <class Io>
  F code(const F& rounded, const Io& io, std::uint64_t i) const noexcept {
    const F shifted = rounded + zero_point_.at(io, i);
    return xsimd::min(xsimd::max(shifted, code_min_.at(io, i)), code_max_.at(io, i));
  }
  template <class Io>
  F value(const F& code, const Io& io, std::uint64_t i) const noexcept {
    return offset_.at(io, i) + (code - zero_point_.at(io, i)) * scale_.at(io, i);
  }
  template <class Io>
  auto inside(const F& rounded, const Io& io, std::uint64_t i) const noexcept {
    const F shifted = rounded + zero_point_.at(io, i);
    return (code_min_.at(io, i) <= shifted) && (shifted <= code_max_.at(io, i));
  }

 private:
  Table<Arch, PerElement> scale_, inv_scale_, zero_point_, offset_, code_min_, code_max_;
};

template <class Arch, std::uint32_t R, bool PerElement>
void affine_value(const GridRun& run, const RoundInput& in, const float* x, float* y,
                  std::uint64_t n) noexcept {
  const Grid<Arch, PerElement> grid(run);
  const Draw<Arch> draw(draw_bits<Arch, R>(in));
  each_batch<Arch>(n, [&](const auto& io, std::uint64_t i) {
    const Floats<Arch> t = grid.steps(io.load(x + i), io, i);
    const Floats<Arch> code = grid.code(rounded<Arch, R>(t, in, draw, io, i), io, i);
    io.store(y + i, grid.value(code, io, i));
  });
}

template <class Arch, std::uint32_t R, bool PerElement>
void affine_code(const GridRun& run, const RoundInput& in, const float* x, std::int32_t* code,
                 std::uint64_t n) noexcept {
  const Grid<Arch, PerElement> grid(run);
  const Draw<Arch> draw(draw_bits<Arch, R>(in));
  each_batch<Arch>(n, [&](const auto& io, std::uint64_t i) {
    const Floats<Arch> t = grid.steps(io.load(x + i), io, i);
    io.store(code + i, xsimd::to_int(grid.code(rounded<Arch, R>(t, in, draw, io, i), io, i)));
  });
}

template <class Arch, std::uint32_t R, bool PerElement>
void affine_mask(const GridRun& run, const RoundInput& in, const float* x, const float* dy,
                 float* dx, std::uint64_t n) noexcept {
  const Grid<Arch, PerElement> grid(run);
  const Draw<Arch> draw(draw_bits<Arch, R>(in));
  each_batch<Arch>(n, [&](const auto& io, std::uint64_t i) {
    const Floats<Arch> t = grid.steps(io.load(x + i), io, i);
    const auto inside = grid.inside(rounded<Arch, R>(t, in, draw, io, i), io, i);
    io.store(dx + i, xsimd::select(inside, io.load(dy + i), Floats<Arch>(0.0F)));
  });
}

template <class Arch, bool PerElement>
void affine_steps(const GridRun& run, const float* x, float* t, std::uint64_t n) noexcept {
  const Grid<Arch, PerElement> grid(run);
  each_batch<Arch>(n, [&](const auto& io, std::uint64_t i) {
    io.store(t + i, grid.steps(io.load(x + i), io, i));
  });
}

template <class Arch, bool PerElement>
void affine_decode(const GridRun& run, const std::int32_t* code, float* y,
                   std::uint64_t n) noexcept {
  const Grid<Arch, PerElement> grid(run);
  each_batch<Arch>(n, [&](const auto& io, std::uint64_t i) {
    io.store(y + i, grid.value(xsimd::to_float(io.load(code + i)), io, i));
  });
}

template <class Arch, bool PerElement>
void clip_backward(const ClipRun& run, const float* x, const float* dy, float* dx,
                   std::uint64_t n) noexcept {
  const Table<Arch, PerElement> lo(run.lo), hi(run.hi);
  each_batch<Arch>(n, [&](const auto& io, std::uint64_t i) {
    const Floats<Arch> v = io.load(x + i);
    const auto inside = (lo.at(io, i) <= v) && (v <= hi.at(io, i));
    io.store(dx + i, xsimd::select(inside, io.load(dy + i), Floats<Arch>(0.0F)));
  });
}

template <class Arch, bool PerElement>
void ternary(const TernaryRun& run, const float* x, float* y, std::uint64_t n) noexcept {
  const Table<Arch, PerElement> low_threshold(run.low_threshold),
      high_threshold(run.high_threshold), low(run.low), high(run.high);
  each_batch<Arch>(n, [&](const auto& io, std::uint64_t i) {
    const Floats<Arch> v = io.load(x + i);
    const Floats<Arch> not_high =
        xsimd::select(v < low_threshold.at(io, i), low.at(io, i), Floats<Arch>(0.0F));
    io.store(y + i, xsimd::select(v > high_threshold.at(io, i), high.at(io, i), not_high));
  });
}

}  // namespace qloom::kernels::simd
