// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// reference/affine.hpp, one batch at a time.
#pragma once

#include "host/kernels/simd/round.hpp"

namespace qloom::kernels::simd {

/// ref::Grid for the batches of a run of layout L.
template <class Arch, std::uint32_t L>
class Grid {
 public:
  using F = Floats<Arch>;
  using At = Place<Arch, L>;
  explicit Grid(const GridRun& g) noexcept
      : scale_(g.scale),
        inv_scale_(g.inv_scale),
        zero_point_(g.zero_point),
        offset_(g.offset),
        code_min_(g.code_min),
        code_max_(g.code_max) {}

  template <class Io>
  F steps(const F& x, const Io& io, const At& at) const noexcept {
    const F moved = offset_.is_any() ? x - offset_.at(io, at) : x;
    return moved * inv_scale_.at(io, at);
  }
  template <class Io>
  F code(const F& rounded, const Io& io, const At& at) const noexcept {
    const F shifted = rounded + zero_point_.at(io, at);
    return lesser(greater(shifted, code_min_.at(io, at)), code_max_.at(io, at));
  }
  template <class Io>
  F value(const F& code, const Io& io, const At& at) const noexcept {
    return offset_.at_if_any(io, at) + (code - zero_point_.at(io, at)) * scale_.at(io, at);
  }
  template <class Io>
  auto inside(const F& rounded, const Io& io, const At& at) const noexcept {
    const F shifted = rounded + zero_point_.at(io, at);
    return (code_min_.at(io, at) <= shifted) && (shifted <= code_max_.at(io, at));
  }

 private:
  Table<Arch, L> scale_, inv_scale_, zero_point_, offset_, code_min_, code_max_;
};

template <class Arch, std::uint32_t R, std::uint32_t L>
void affine(const GridRun& run, const GroupRun& groups, const RoundInput& in, const float* x,
            float* y, std::int32_t* code, std::uint64_t n) noexcept {
  const Grid<Arch, L> grid(run);
  const Rounding<Arch, R> rounding(in);
  const auto one_batch = [&](const auto& io, std::uint64_t i, const auto& at,
                             const Words<Arch>& word) __attribute__((always_inline)) {
    const Floats<Arch> t = grid.steps(io.load(x + i), io, at);
    const Floats<Arch> c = grid.code(rounding(t, word, io, i), io, at);
    const Floats<Arch> v = grid.value(c, io, at);
    if (code != nullptr) io.store(code + i, xsimd::to_int(c));
    if (y != nullptr) io.store(y + i, v);
  };
  each_rounded<Arch, R, L>(in, groups, n, one_batch);
}

template <class Arch, std::uint32_t R, std::uint32_t L>
void affine_mask(const GridRun& run, const GroupRun& groups, const RoundInput& in, const float* x,
                 const float* dy, float* dx, std::uint64_t n) noexcept {
  const Grid<Arch, L> grid(run);
  const Rounding<Arch, R> rounding(in);
  const auto one_batch = [&](const auto& io, std::uint64_t i, const auto& at,
                             const Words<Arch>& word) __attribute__((always_inline)) {
    const Floats<Arch> t = grid.steps(io.load(x + i), io, at);
    const auto inside = grid.inside(rounding(t, word, io, i), io, at);
    io.store(dx + i, xsimd::select(inside, io.load(dy + i), Floats<Arch>(0.0F)));
  };
  each_rounded<Arch, R, L>(in, groups, n, one_batch);
}

template <class Arch, std::uint32_t L>
void affine_steps(const GridRun& run, const GroupRun& groups, const float* x, float* t,
                  std::uint64_t n) noexcept {
  const Grid<Arch, L> grid(run);
  each_in_groups<Arch, L, true>(groups, n, [&](const auto& io, std::uint64_t i, const auto& at) {
    io.store(t + i, grid.steps(io.load(x + i), io, at));
  });
}

template <class Arch, std::uint32_t L>
void affine_decode(const GridRun& run, const GroupRun& groups, const std::int32_t* code, float* y,
                   std::uint64_t n) noexcept {
  const Grid<Arch, L> grid(run);
  each_in_groups<Arch, L>(groups, n, [&](const auto& io, std::uint64_t i, const auto& at) {
    io.store(y + i, grid.value(xsimd::to_float(io.load(code + i)), io, at));
  });
}

template <class Arch, std::uint32_t L>
void clip_backward(const ClipRun& run, const GroupRun& groups, const float* x, const float* dy,
                   float* dx, std::uint64_t n) noexcept {
  const Table<Arch, L> lo(run.lo), hi(run.hi);
  each_in_groups<Arch, L>(groups, n, [&](const auto& io, std::uint64_t i, const auto& at) {
    const Floats<Arch> v = io.load(x + i);
    const auto inside = (lo.at(io, at) <= v) && (v <= hi.at(io, at));
    io.store(dx + i, xsimd::select(inside, io.load(dy + i), Floats<Arch>(0.0F)));
  });
}

template <class Arch, std::uint32_t L>
void ternary(const TernaryRun& run, const GroupRun& groups, const float* x, float* y,
             std::uint64_t n) noexcept {
  const Table<Arch, L> low_threshold(run.low_threshold), high_threshold(run.high_threshold),
      low(run.low), high(run.high);
  each_in_groups<Arch, L>(groups, n, [&](const auto& io, std::uint64_t i, const auto& at) {
    const Floats<Arch> v = io.load(x + i);
    const Floats<Arch> not_high =
        xsimd::select(v < low_threshold.at(io, at), low.at(io, at), Floats<Arch>(0.0F));
    io.store(y + i, xsimd::select(v > high_threshold.at(io, at), high.at(io, at), not_high));
  });
}

}  // namespace qloom::kernels::simd
