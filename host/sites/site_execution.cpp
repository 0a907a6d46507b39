// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A quantize node at work: tiles of a tensor through the quantizer, forward and backward.
#include <algorithm>
#include <cmath>
#include <cstring>

#include <fmt/format.h>

#include "host/kernels/kernels.hpp"
#include "host/sites/site_quantizer.hpp"
#include "host/tensor/error.hpp"
#include "host/tensor/parallel.hpp"

namespace qloom::network {
namespace {

std::uint64_t tile_count(std::uint64_t n) { return (n + kTileElements - 1) / kTileElements; }

std::uint64_t count_non_finite(const float* x, std::uint64_t n) noexcept {
  const qloom_tensor whole{x, nullptr, 0, n, 1, 1, n};
  double count = 0;
  kernels::table().reduce(&whole, QLOOM_REDUCE_NONFINITE, nullptr, &count);
  return static_cast<std::uint64_t>(count);
}

}  // namespace

void SiteQuantizer::Failures::reset() {
  non_finite = 0;
  tile = UINT64_MAX;
  status = QLOOM_OK;
}

void SiteQuantizer::Failures::note(std::uint64_t at, qloom_status code,
                                   const qloom_error& text) noexcept {
  const std::lock_guard lock(mutex_);
  if (at >= tile) return;
  tile = at;
  status = code;
  error = text;
}

qloom_block SiteQuantizer::tile_block(std::uint64_t first, std::uint64_t n) const {
  const qloom_tensor& t = geometry_;
  qloom_block block{first, n, t.groups, t.inner, 0, t.groups};
  const std::uint64_t begin = first / t.inner;
  const std::uint64_t end = (first + n - 1) / t.inner;
  if (begin / t.groups == end / t.groups) {
    block.group_first = begin % t.groups;
    block.group_count = end - begin + 1;
  }
  return block;
}

template <class Body>
void SiteQuantizer::for_tiles(const char* what, std::uint64_t first, std::uint64_t n,
                              const Body& body) noexcept {
  qloom_error error = registry::empty_error();
  qloom_call c = call();
  c.error = &error;
  for (std::uint64_t end = first + n; first < end; first += kTileElements) {
    const std::uint64_t count = std::min(kTileElements, end - first);
    const qloom_status status = recorded(
        quantizer_, what, [&] { return body(c, tile_block(first, count), first / kTileElements); });
    if (status == QLOOM_OK) continue;
    failures_.note(first / kTileElements, status, error);
    error = registry::empty_error();
  }
}

void SiteQuantizer::check_blocks(const char* what) const {
  check(quantizer_, what, failures_.status, failures_.error);
}

void SiteQuantizer::start(const Shape& shape, const float* data, const Phase& phase) {
  phase_ = phase;
  shape_ = shape;
  geometry_ = geometry(shape_, nullptr);
  failures_.reset();
  is_waiting_ = passes_gradient_ = is_prepared_ = uses_trial_ = false;
  if (geometry_.n == 0) return;
  qloom_tensor t = geometry_;
  t.data = data;
  if (range_) update_ranges(t);
  const bool takes_scale = awaits_tensor() || has_cap(QLOOM_QUANTIZER_WANTS_TENSOR) ||
                           has_cap(QLOOM_QUANTIZER_WANTS_EXTREMES);
  const bool is_all_zero = takes_scale && is_zero(t);
  is_waiting_ = is_all_zero && awaits_tensor();
  passes_gradient_ = is_waiting_ || (is_all_zero && !learns());
  if (is_waiting_) return;
  choose_acting();
  prepare(t);
}

bool SiteQuantizer::observes(const Phase& phase) const {
  return range_ && !(context_.tracks_range && !phase.training);
}

bool SiteQuantizer::needs_tensor(const Phase& phase) const {
  return spec_.clamp || observes(phase) || wants_extremes() ||
         has_cap(QLOOM_QUANTIZER_WANTS_TENSOR) || awaits_tensor();
}

void SiteQuantizer::forward_start(const Shape& shape, const Phase& phase) {
  is_checked_ = false;
  start(shape, nullptr, phase);
}

void SiteQuantizer::forward_block(std::uint64_t first, std::uint64_t n, const float* x,
                                  float* y) noexcept {
  if (!is_checked_) {
    if (const std::uint64_t bad = count_non_finite(x, n); bad > 0) failures_.non_finite += bad;
  }
  if (is_waiting_) {
    std::memcpy(y, x, n * sizeof(float));
    return;
  }
  const auto& ops = quantizer_.ops<qloom_quantizer>();
  for_tiles("apply", first, n, [&](const qloom_call& c, const qloom_block& b, std::uint64_t) {
    return ops.apply(acting().self(), &c, &b, x + (b.first - first), y + (b.first - first));
  });
}

void SiteQuantizer::forward_end() {
  require_finite(failures_.non_finite);
  check_blocks("apply");
}

void SiteQuantizer::require_finite(std::uint64_t non_finite) const {
  if (non_finite == 0) return;
  throw NotFinite(fmt::format("{}: {} of {} values are NaN or infinite", context_.name, non_finite,
                              geometry_.n));
}

void SiteQuantizer::forward(const Tensor& x, Tensor& y, const Phase& phase) {
  const Tensor& in = clamped(x);
  y.resize(x.shape());
  phase_ = phase;
  is_checked_ = needs_tensor(phase);
  if (is_checked_) require_finite_tensor(x);  // before a range or a threshold comes from it
  start(in.shape(), in.data(), phase);
  has_extremes_ = false;
  for_each_tile(x.size(), [&](std::uint64_t first, std::uint64_t n) {
    forward_block(first, n, in.data() + first, y.data() + first);
  });
  forward_end();
}

bool SiteQuantizer::wants_extremes() const { return has_cap(QLOOM_QUANTIZER_WANTS_EXTREMES); }

/// One pass over x, from which those who ask for extremes also get them.
void SiteQuantizer::require_finite_tensor(const Tensor& x) {
  shape_ = x.shape();
  geometry_ = geometry(shape_, nullptr);
  if (geometry_.n == 0) return;
  const bool are_observed =
      observes(phase_) && range_.ops<qloom_range_estimator>().observe_extremes != nullptr;
  has_extremes_ = (are_observed || wants_extremes()) && !spec_.clamp;
  if (!has_extremes_) return require_finite(count_non_finite(x.data(), x.size()));
  qloom_tensor t = geometry_;
  t.data = x.data();
  find_extremes(t);
}

void SiteQuantizer::find_extremes(const qloom_tensor& t) {
  lo_.resize(t.groups);
  hi_.resize(t.groups);
  non_finite_.resize(t.groups);
  kernels::table().extremes(&t, lo_.data(), hi_.data(), non_finite_.data());
  std::uint64_t bad = 0;
  for (const std::uint64_t count : non_finite_) bad += count;
  require_finite(bad);
}

void SiteQuantizer::encode(const Tensor& x, std::vector<std::int32_t>& codes) {
  const auto& ops = quantizer_.ops<qloom_quantizer>();
  if (ops.encode == nullptr) {
    throw RunError(fmt::format("{}: quantizer \"{}\" has no integer codes", context_.name,
                               quantizer_.method().id));
  }
  if (is_waiting_) {
    throw RunError(fmt::format("{}: quantizer \"{}\" has seen no value but 0 and has no codes yet",
                               context_.name, quantizer_.method().id));
  }
  const Tensor& in = clamped(x);
  shape_ = in.shape();
  geometry_ = geometry(shape_, nullptr);
  codes.resize(geometry_.n);
  failures_.reset();
  for_each_tile(geometry_.n, [&](std::uint64_t first, std::uint64_t n) {
    for_tiles("encode", first, n, [&](const qloom_call& c, const qloom_block& b, std::uint64_t) {
      return ops.encode(acting().self(), &c, &b, in.data() + b.first, codes.data() + b.first);
    });
  });
  check_blocks("encode");
}

void SiteQuantizer::decode(const Shape& shape, const std::vector<std::int32_t>& codes, Tensor& y) {
  const auto& ops = quantizer_.ops<qloom_quantizer>();
  y.resize(shape);
  shape_ = shape;
  geometry_ = geometry(shape_, nullptr);
  failures_.reset();
  for_each_tile(geometry_.n, [&](std::uint64_t first, std::uint64_t n) {
    for_tiles("decode", first, n, [&](const qloom_call&, const qloom_block& b, std::uint64_t) {
      return ops.decode(acting().self(), &b, codes.data() + b.first, y.data() + b.first);
    });
  });
  check_blocks("decode");
}

bool SiteQuantizer::backward_needs_tensor() const {
  return spec_.clamp || quantizer_.ops<qloom_quantizer>().backward_prepare != nullptr;
}

void SiteQuantizer::backward_start() {
  failures_.reset();
  const std::uint64_t width = quantizer_.ops<qloom_quantizer>().sums_per_group;
  const std::uint64_t n = geometry_.n, tiles = tile_count(n);
  offsets_.assign(tiles + 1, 0);  // a tile touches few groups unless channels are innermost
  if (width == 0) return;
  for (std::uint64_t i = 0; i < tiles; ++i) {
    const std::uint64_t first = i * kTileElements;
    offsets_[i + 1] =
        offsets_[i] + width * tile_block(first, std::min(kTileElements, n - first)).group_count;
  }
  partials_.assign(offsets_[tiles], 0.0);
}

void SiteQuantizer::backward_block(std::uint64_t first, std::uint64_t n, const float* x,
                                   const float* dy, float* dx) noexcept {
  const auto& ops = quantizer_.ops<qloom_quantizer>();
  if (ops.backward == nullptr || passes_gradient_) {
    if (dx != dy) std::memcpy(dx, dy, n * sizeof(float));
    return;
  }
  const auto backward = [&](const qloom_call& c, const qloom_block& b, std::uint64_t tile) {
    const std::uint64_t i = b.first - first;
    return ops.backward(acting().self(), &c, &b, x + i, dy + i, dx + i,
                        partials_.data() + offsets_[tile]);
  };
  for_tiles("backward", first, n, backward);
}

void SiteQuantizer::backward_end() {
  check_blocks("backward");
  if (!learned().empty()) add_sums();
}

/// Sums of the tiles in order, and from them the learned parameters' gradients.
void SiteQuantizer::add_sums() {
  const auto& ops = quantizer_.ops<qloom_quantizer>();
  const std::uint64_t width = ops.sums_per_group, n = geometry_.n;
  if (width == 0 || ops.learned_gradients == nullptr || is_waiting_) return;
  sums_.assign(geometry_.groups * width, 0.0);
  for (std::uint64_t i = 0; i < tile_count(n); ++i) {
    const std::uint64_t first = i * kTileElements;
    const qloom_block b = tile_block(first, std::min(kTileElements, n - first));
    for (std::uint64_t j = 0; j < b.group_count * width; ++j) {
      sums_[b.group_first * width + j] += partials_[offsets_[i] + j];
    }
  }
  gradients_.clear();
  for (auto& l : learned()) gradients_.push_back(l.gradient.data());
  qloom_error error = registry::empty_error();
  const auto status = recorded(quantizer_, "learned_gradients", [&] {
    return ops.learned_gradients(acting().self(), sums_.data(), geometry_.groups, gradients_.data(),
                                 &error);
  });
  check(quantizer_, "learned_gradients", status, error);
  for (const auto& l : learned_) {
    const auto bad = std::find_if_not(l.gradient.begin(), l.gradient.end(),
                                      [](float g) { return std::isfinite(g); });
    if (bad == l.gradient.end()) continue;
    throw NotFinite(
        fmt::format("{}: the gradient of {}, value {} of {}, is {}; expected finite values",
                    context_.name, l.name, bad - l.gradient.begin(), l.gradient.size(), *bad));
  }
}

void SiteQuantizer::backward(const Tensor& x, const Tensor& dy, Tensor& dx) {
  const auto& ops = quantizer_.ops<qloom_quantizer>();
  const Tensor& in = clamped(x);
  if (&dx != &dy) dx.resize(x.shape());
  shape_ = in.shape();
  geometry_ = geometry(shape_, nullptr);
  if (geometry_.n == 0) return;
  if (ops.backward_prepare != nullptr && !passes_gradient_) {
    qloom_error error = registry::empty_error();
    qloom_tensor t = geometry_, g = geometry_;
    t.data = in.data();
    g.data = dy.data();
    const auto status = recorded(quantizer_, "backward_prepare", [&] {
      return ops.backward_prepare(acting().self(), &t, &g, &error);
    });
    check(quantizer_, "backward_prepare", status, error);
  }
  backward_start();
  for_each_tile(geometry_.n, [&](std::uint64_t first, std::uint64_t n) {
    backward_block(first, n, in.data() + first, dy.data() + first, dx.data() + first);
    if (!spec_.clamp) return;
    const auto lo = static_cast<float>(spec_.clamp->first);
    const auto hi = static_cast<float>(spec_.clamp->second);
    for (std::uint64_t i = first; i < first + n; ++i) {
      if (!(x[i] >= lo && x[i] <= hi)) dx[i] = 0.0F;
    }
  });
  backward_end();
}

}  // namespace qloom::network
