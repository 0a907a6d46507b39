// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A quantize node at work: tiles of a tensor through the quantizer, forward and backward.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include <fmt/format.h>

#include "host/kernels/kernels.hpp"
#include "host/sites/site_quantizer.hpp"
#include "host/tensor/error.hpp"
#include "host/tensor/parallel.hpp"

namespace qloom::sites {
namespace {

std::uint64_t count_non_finite(const float* x, std::uint64_t n) noexcept {
  const qloom_tensor whole{x, nullptr, 0, n, 1, 1, n};
  double count = 0;
  kernels::table().reduce(&whole, QLOOM_REDUCE_NONFINITE, nullptr, &count);
  return static_cast<std::uint64_t>(count);
}

}  // namespace

void SiteQuantizer::start(const Shape& shape, const float* data, const Phase& phase) {
  phase_ = phase;
  set_shape(shape);
  present_ = Present::kNothing;
  is_zero_ = false;
  non_finite_ = 0;
  has_misfits_ = false;
  start_tiles();
  if (geometry_.n == 0) return;
  qloom_tensor t = geometry_;
  t.data = data;
  if (range_) update_ranges(t);
  is_zero_ = (awaits_tensor() ||
              quantizer_.has(QLOOM_QUANTIZER_WANTS_TENSOR | QLOOM_QUANTIZER_WANTS_EXTREMES)) &&
             is_zero(t);
  if (is_zero_ && awaits_tensor()) {
    present_ = Present::kWaiting;
    return;
  }
  const bool has_stand_in = needs_stand_in();
  if (has_stand_in) {
    trial_ = methods::Quantizer(make(spec_.quantizer), context_.name,
                                methods::encoding_groups_of(spec_.quantizer));
    trial_.read_learned(trial_learned_);
  }
  prepare(has_stand_in ? trial_ : quantizer_, t);
  start_tiles();
}

bool SiteQuantizer::observes(const Phase& phase) const {
  return range_ && !(context_.tracks_range && !phase.training);
}

bool SiteQuantizer::needs_tensor(const Phase& phase) const {
  return spec_.clamp || follows_tensor(phase);
}

bool SiteQuantizer::follows_tensor(const Phase& phase) const {
  return observes(phase) || wants_extremes() || quantizer_.has(QLOOM_QUANTIZER_WANTS_TENSOR) ||
         awaits_tensor();
}

void SiteQuantizer::forward_start(const Shape& shape, const Phase& phase) {
  seen_ = Seen::kNothing;
  start(shape, nullptr, phase);
}

void SiteQuantizer::forward_block(std::uint64_t first, std::uint64_t n, const float* x, float* y,
                                  CodedTensor* codes) noexcept {
  if (seen_ == Seen::kNothing) {
    if (const std::uint64_t bad = count_non_finite(x, n); bad > 0) non_finite_ += bad;
  }
  if (codes != nullptr) return encode_block(first, n, x, y, *codes);
  if (present_ == Present::kWaiting) {
    std::memcpy(y, x, n * sizeof(float));
    return;
  }
  acting().apply(first, n, x, y);
}

void SiteQuantizer::encode_block(std::uint64_t first, std::uint64_t n, const float* x, float* y,
                                 CodedTensor& codes) noexcept {
  std::array<std::int32_t, kTileElements> tile;
  for (std::uint64_t i = 0; i < n; i += kTileElements) {
    const std::uint64_t count = std::min(kTileElements, n - i);
    acting().encode(first + i, count, x + i, tile.data());
    if (!coding_.store(geometry_, first + i, count, tile.data(), codes)) has_misfits_ = true;
    if (y != nullptr) acting().decode(first + i, count, tile.data(), y + i);
  }
}

void SiteQuantizer::forward_end() {
  require_finite(non_finite_);
  acting().check_tiles();
  if (!has_misfits_) return;
  throw RunError(fmt::format("{}: quantizer \"{}\" gave a code that its encoding does not have",
                             context_.name, quantizer_.method().id));
}

void SiteQuantizer::require_finite(std::uint64_t non_finite) const {
  if (non_finite == 0) return;
  throw NotFinite(fmt::format("{}: {} of {} values are NaN or infinite", context_.name, non_finite,
                              geometry_.n));
}

void SiteQuantizer::forward(const Tensor& x, Tensor& y, const Phase& phase) {
  begin_forward(x, phase);
  end_forward(x, &y, nullptr);
}

void SiteQuantizer::begin_forward(const Tensor& x, const Phase& phase) {
  const Tensor& in = clamped(x);
  phase_ = phase;
  seen_ = Seen::kNothing;
  if (needs_tensor(phase)) require_finite_tensor(x);  // before a range or a threshold comes from it
  start(in.shape(), in.data(), phase);
  if (seen_ == Seen::kExtremes) seen_ = Seen::kFinite;
}

void SiteQuantizer::end_forward(const Tensor& x, Tensor* y, CodedTensor* codes) {
  const Tensor& in = spec_.clamp ? clamped_ : x;
  if (y != nullptr) y->resize(x.shape());
  if (codes != nullptr) resize(*codes);
  for_each_tile(x.size(), [&](std::uint64_t first, std::uint64_t n) {
    float* const to = y == nullptr ? nullptr : y->data() + first;
    forward_block(first, n, in.data() + first, to, codes);
  });
  forward_end();
}

void SiteQuantizer::end_forward(const Tensor& x, const MakeCodes& make, Tensor* y,
                                CodedTensor* codes) {
  if (y != nullptr) y->resize(x.shape());
  if (codes != nullptr) resize(*codes);
  for_each_tile(x.size(), [&](std::uint64_t first, std::uint64_t n) {
    if (seen_ == Seen::kNothing) non_finite_ += count_non_finite(x.data() + first, n);
    std::array<std::int32_t, kTileElements> tile;
    make(first, n, tile.data());
    if (codes != nullptr && !coding_.store(geometry_, first, n, tile.data(), *codes)) {
      has_misfits_ = true;
    }
    if (y != nullptr) acting().decode(first, n, tile.data(), y->data() + first);
  });
  forward_end();
}

/// One pass over x, from which those who ask for extremes also get them.
void SiteQuantizer::require_finite_tensor(const Tensor& x) {
  set_shape(x.shape());
  seen_ = Seen::kFinite;
  if (geometry_.n == 0) return;
  const bool are_observed = observes(phase_) && range_.takes_extremes();
  if (spec_.clamp || !(are_observed || wants_extremes())) {
    return require_finite(count_non_finite(x.data(), x.size()));
  }
  seen_ = Seen::kExtremes;
  qloom_tensor t = geometry_;
  t.data = x.data();
  find_extremes(t);
}

void SiteQuantizer::find_extremes(const qloom_tensor& t) {
  lo_.resize(t.groups);
  hi_.resize(t.groups);
  group_non_finite_.resize(t.groups);
  kernels::table().extremes(&t, lo_.data(), hi_.data(), group_non_finite_.data());
  std::uint64_t bad = 0;
  for (const std::uint64_t count : group_non_finite_) bad += count;
  require_finite(bad);
}

void SiteQuantizer::encode(const Tensor& x, std::vector<std::int32_t>& codes) {
  if (!quantizer_.has_codes()) {
    throw RunError(fmt::format("{}: quantizer \"{}\" has no integer codes", context_.name,
                               quantizer_.method().id));
  }
  if (present_ == Present::kWaiting) {
    throw RunError(fmt::format("{}: quantizer \"{}\" has seen no value but 0 and has no codes yet",
                               context_.name, quantizer_.method().id));
  }
  const Tensor& in = clamped(x);
  set_shape(in.shape());
  codes.resize(geometry_.n);
  start_tiles();
  for_each_tile(geometry_.n, [&](std::uint64_t first, std::uint64_t n) {
    acting().encode(first, n, in.data() + first, codes.data() + first);
  });
  acting().check_tiles();
}

void SiteQuantizer::decode(const Shape& shape, const std::vector<std::int32_t>& codes, Tensor& y) {
  y.resize(shape);
  set_shape(shape);
  start_tiles();
  for_each_tile(geometry_.n, [&](std::uint64_t first, std::uint64_t n) {
    acting().decode(first, n, codes.data() + first, y.data() + first);
  });
  acting().check_tiles();
}

bool SiteQuantizer::backward_needs_tensor() const {
  return spec_.clamp || quantizer_.sees_whole_gradient();
}

void SiteQuantizer::backward_start() {
  start_tiles();
  acting().start_sums();
}

void SiteQuantizer::backward_block(std::uint64_t first, std::uint64_t n, const float* x,
                                   const float* dy, float* dx) noexcept {
  if (!passes_gradient()) return acting().backward(first, n, x, dy, dx);
  if (dx != dy) std::memcpy(dx, dy, n * sizeof(float));
}

void SiteQuantizer::backward_end() {
  acting().check_tiles();
  if (!learned().empty() && present_ != Present::kWaiting) acting().add_sums(learned());
}

void SiteQuantizer::backward(const Tensor& x, const Tensor& dy, Tensor& dx) {
  const Tensor& in = clamped(x);
  if (&dx != &dy) dx.resize(x.shape());
  set_shape(in.shape());
  if (geometry_.n == 0) return;
  if (quantizer_.sees_whole_gradient() && !passes_gradient()) {
    qloom_tensor t = geometry_, g = geometry_;
    t.data = in.data();
    g.data = dy.data();
    acting().backward_prepare(t, g);
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

}  // namespace qloom::sites
