// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/network/site_quantizer.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <mutex>

#include <fmt/format.h>

#include "host/kernels/kernels.hpp"
#include "host/tensor/error.hpp"
#include "host/tensor/parallel.hpp"
#include "host/tensor/random.hpp"

namespace qloom::network {
namespace {

using registry::Json;

qloom_block block_of(const qloom_tensor& t, std::uint64_t first, std::uint64_t n) {
  qloom_block block{first, n, t.groups, t.inner, 0, t.groups};
  const std::uint64_t begin = first / t.inner;
  const std::uint64_t end = (first + n - 1) / t.inner;
  if (begin / t.groups == end / t.groups) {
    block.group_first = begin % t.groups;
    block.group_count = end - begin + 1;
  }
  return block;
}

/// body(call, block, tile index) for every tile of the tensor. Each tile has an error record of its
/// own; the lowest refusing tile is thrown, so that the message does not depend on threads.
template <class Body>
void for_each_block(const registry::Method& method, const std::string& what, const qloom_tensor& t,
                    const qloom_call& call, Body&& body) {
  std::mutex mutex;
  std::uint64_t failed_tile = UINT64_MAX;
  qloom_status failed = QLOOM_OK;
  qloom_error failure = registry::empty_error();
  for_each_tile(t.n, [&](std::uint64_t first, std::uint64_t n) {
    qloom_error error = registry::empty_error();
    qloom_call c = call;
    c.error = &error;
    const std::uint64_t tile = first / kTileElements;
    const qloom_status status = body(c, block_of(t, first, n), tile);
    if (status == QLOOM_OK) return;
    const std::lock_guard lock(mutex);
    if (tile >= failed_tile) return;
    failed_tile = tile;
    failed = status;
    failure = error;
  });
  registry::check(method, what.c_str(), failed, failure);
}

}  // namespace

SiteQuantizer::SiteQuantizer(const registry::Registry& registry, QuantizerSpec spec,
                             SiteContext context)
    : spec_(std::move(spec)), context_(std::move(context)) {
  quantizer_ = registry.create(*spec_.quantizer.method, spec_.quantizer.params);
  rounding_ = registry.create(*spec_.rounding.method, spec_.rounding.params);
  if (spec_.range.method != nullptr) {
    range_ = registry.create(*spec_.range.method, spec_.range.params);
  }
  refresh_learned();
}

qloom_tensor SiteQuantizer::geometry(const Tensor& x) const {
  const Shape& shape = x.shape();
  qloom_tensor t{x.data(), shape.data(), shape.size(), x.size(), 1, 1, std::max<std::size_t>(x.size(), 1)};
  const auto& ops = quantizer_.ops<qloom_quantizer>();
  if ((ops.caps & QLOOM_QUANTIZER_GROUPS_PER_SAMPLE) != 0) {
    t.groups = shape.empty() ? 1 : static_cast<std::uint64_t>(shape[0]);
    t.inner = std::max<std::uint64_t>(1, t.n / std::max<std::uint64_t>(1, t.groups));
    return t;
  }
  const Json granularity = granularity_of(spec_.quantizer);
  if (granularity == "channel") {
    const auto rank = static_cast<int>(shape.size());
    const int axis = context_.channel_axis < 0 ? context_.channel_axis + rank : context_.channel_axis;
    if (axis < 0 || axis >= rank) {
      throw InputError(fmt::format("{}: an array of rank {} has no channel axis {}", context_.name,
                                   rank, context_.channel_axis));
    }
    t.inner = 1;
    for (int i = 0; i < rank; ++i) {
      const auto extent = static_cast<std::uint64_t>(shape[static_cast<std::size_t>(i)]);
      if (i < axis) t.outer *= extent;
      if (i == axis) t.groups = extent;
      if (i > axis) t.inner *= extent;
    }
  } else if (granularity.is_object()) {
    const auto k = granularity.at("group").get<std::uint64_t>();
    t.inner = k;
    if (context_.tracks_range && range_ && context_.has_batch_axis && !shape.empty()) {
      const std::uint64_t sample = t.n / static_cast<std::uint64_t>(std::max<std::int64_t>(shape[0], 1));
      if (sample % k != 0) {
        throw InputError(fmt::format("{}: {} values per sample do not divide into groups of {}",
                                     context_.name, sample, k));
      }
      t.outer = static_cast<std::uint64_t>(shape[0]);
      t.groups = sample / k;
    } else {
      t.groups = (t.n + k - 1) / k;
    }
  }
  return t;
}

qloom_call SiteQuantizer::call() const {
  qloom_call c{};
  c.struct_size = sizeof(qloom_call);
  c.training = phase_.training ? 1 : 0;
  c.seed = context_.seed;
  c.stream = stream_id(phase_.training ? context_.name : context_.name + "/evaluate");
  c.step = phase_.step;
  c.rounding = rounding_ref(rounding_);
  return c;
}

const Tensor& SiteQuantizer::clamped(const Tensor& x) {
  if (!spec_.clamp) return x;
  clamped_.resize(x.shape());
  const auto lo = static_cast<float>(spec_.clamp->first), hi = static_cast<float>(spec_.clamp->second);
  for_each_tile(x.size(), [&](std::uint64_t first, std::uint64_t n) {
    for (std::uint64_t i = first; i < first + n; ++i) clamped_[i] = std::clamp(x[i], lo, hi);
  });
  return clamped_;
}

qloom_range_context SiteQuantizer::range_context() const {
  qloom_range_context c{};
  c.struct_size = sizeof c;
  c.bits = 8;
  c.is_signed = 1;
  c.levels = 256;
  const auto& ops = quantizer_.ops<qloom_quantizer>();
  if (ops.context != nullptr) {
    registry::check(quantizer_.method(), "context", ops.context(quantizer_.self(), &c),
                    registry::empty_error());
  }
  c.after_relu = context_.after_relu ? 1 : 0;
  return c;
}

std::uint32_t SiteQuantizer::passes() const {
  if (!context_.tracks_range) return 0;
  if (range_) return range_.ops<qloom_range_estimator>().passes;
  const auto caps = quantizer_.ops<qloom_quantizer>().caps;
  return (caps & QLOOM_QUANTIZER_WANTS_FIRST_TENSOR) != 0 ? 1 : 0;
}

void SiteQuantizer::begin_pass(std::uint32_t pass) {
  is_observing_ = true;
  if (!range_) return;
  const qloom_range_context c = range_context();
  qloom_error error = registry::empty_error();
  const auto status = range_.ops<qloom_range_estimator>().begin(range_.self(), &c, pass, &error);
  registry::check(range_.method(), "begin", status, error);
  round_is_open_ = true;
}

void SiteQuantizer::observe(const Tensor& x) {
  const Tensor& in = clamped(x);
  const qloom_tensor t = geometry(in);
  if (t.n == 0) return;
  if (!range_) {
    prepare(t);
    return;
  }
  qloom_error error = registry::empty_error();
  const auto status = range_.ops<qloom_range_estimator>().observe(range_.self(), &t, &error);
  registry::check(range_.method(), ("observe " + context_.name).c_str(), status, error);
  groups_ = t.groups;
}

void SiteQuantizer::end_pass(std::uint32_t pass) {
  is_observing_ = false;
  if (!range_) return;
  qloom_error error = registry::empty_error();
  const auto& ops = range_.ops<qloom_range_estimator>();
  registry::check(range_.method(), "end", ops.end(range_.self(), pass, &error), error);
  if (pass + 1 == ops.passes) read_ranges(groups_);
}

void SiteQuantizer::read_ranges(std::uint64_t groups) {
  ranges_.resize(groups);
  qloom_error error = registry::empty_error();
  const auto status = range_.ops<qloom_range_estimator>().ranges(range_.self(), ranges_.data(),
                                                                groups, &error);
  registry::check(range_.method(), ("ranges of " + context_.name).c_str(), status, error);
  has_range_ = true;
}

void SiteQuantizer::update_ranges(const qloom_tensor& t, const Tensor& x) {
  if (context_.tracks_range && !phase_.training) {
    if (!has_range_) {
      throw RunError(fmt::format("{}: no range is known; add a calibrate stage before this one",
                                 context_.name));
    }
    if (ranges_.size() != t.groups) {
      throw RunError(fmt::format("{}: {} ranges are known, the tensor has {} groups", context_.name,
                                 ranges_.size(), t.groups));
    }
    return;
  }
  const std::uint32_t count = range_.ops<qloom_range_estimator>().passes;
  // Evaluation must not move an estimator that remembers: it sees what comes next and forgets it.
  const bool forgets = !phase_.training && has_range_ && range_.has_state();
  data::Arrays before;
  if (forgets) before = range_.save();
  // An estimator of one pass follows an activation over all steps in one round; all others see
  // every tensor as a round of its own.
  const bool is_running = context_.tracks_range && count == 1;
  for (std::uint32_t pass = 0; pass < count; ++pass) {
    if (!(is_running && round_is_open_)) begin_pass(pass);
    observe(x);
    end_pass(pass);
  }
  if (forgets) range_.load(before, range_.state_version());
}

void SiteQuantizer::prepare(const qloom_tensor& t) {
  const auto& ops = quantizer_.ops<qloom_quantizer>();
  qloom_prepare in{};
  in.struct_size = sizeof in;
  in.training = phase_.training ? 1 : 0;
  in.step = phase_.step;
  in.epoch = phase_.epoch;
  in.learning_rate = phase_.learning_rate;
  in.x = t;
  const bool first = (ops.caps & QLOOM_QUANTIZER_WANTS_FIRST_TENSOR) != 0 && !is_initialised_;
  if (!first && (ops.caps & QLOOM_QUANTIZER_WANTS_TENSOR) == 0) in.x.data = nullptr;
  in.ranges = range_ ? ranges_.data() : nullptr;
  qloom_error error = registry::empty_error();
  registry::check(quantizer_.method(), ("prepare " + context_.name).c_str(),
                  ops.prepare(quantizer_.self(), &in, &error), error);
  is_initialised_ = true;
  refresh_learned();
}

void SiteQuantizer::refresh_learned() {
  const auto& ops = quantizer_.ops<qloom_quantizer>();
  if (ops.learned == nullptr) return;
  for (std::uint32_t i = 0;; ++i) {
    qloom_learned l{};
    l.struct_size = sizeof l;
    if (ops.learned(quantizer_.self(), i, &l) != QLOOM_OK) return;
    if (learned_.size() <= i) learned_.emplace_back();
    learned_[i].name = l.name;
    learned_[i].value = l.value;
    learned_[i].gradient.resize(l.count);
    learned_[i].rate_factor = l.rate_factor;
    learned_[i].decay_factor = l.decay_factor;
  }
}

void SiteQuantizer::require_finite(const Tensor& x) const {
  qloom_tensor whole{x.data(), x.shape().data(), x.shape().size(), x.size(), 1, 1, x.size()};
  double count = 0;
  kernels::table().reduce(&whole, QLOOM_REDUCE_NONFINITE, nullptr, &count);
  if (count > 0) {
    throw RunError(fmt::format("{}: {} of {} values are NaN or infinite", context_.name, count,
                               x.size()));
  }
}

void SiteQuantizer::forward(const Tensor& x, Tensor& y, const Phase& phase) {
  phase_ = phase;
  const Tensor& in = clamped(x);
  const qloom_tensor t = geometry(in);
  y.resize(x.shape());
  if (t.n == 0) return;
  require_finite(x);
  if (range_) update_ranges(t, x);
  prepare(t);
  const auto& ops = quantizer_.ops<qloom_quantizer>();
  const auto body = [&](const qloom_call& c, const qloom_block& b, std::uint64_t) {
    return ops.apply(quantizer_.self(), &c, &b, in.data() + b.first, y.data() + b.first);
  };
  for_each_block(quantizer_.method(), "apply " + context_.name, t, call(), body);
}

void SiteQuantizer::encode(const Tensor& x, std::vector<std::int32_t>& codes) {
  const auto& ops = quantizer_.ops<qloom_quantizer>();
  if (ops.encode == nullptr) {
    throw RunError(fmt::format("{}: quantizer \"{}\" has no integer codes", context_.name,
                               quantizer_.method().id));
  }
  const Tensor& in = clamped(x);
  const qloom_tensor t = geometry(in);
  codes.resize(t.n);
  const auto body = [&](const qloom_call& c, const qloom_block& b, std::uint64_t) {
    return ops.encode(quantizer_.self(), &c, &b, in.data() + b.first, codes.data() + b.first);
  };
  for_each_block(quantizer_.method(), "encode " + context_.name, t, call(), body);
}

void SiteQuantizer::decode(const Shape& shape, const std::vector<std::int32_t>& codes,
                           Tensor& y) const {
  const auto& ops = quantizer_.ops<qloom_quantizer>();
  y.resize(shape);
  const qloom_tensor t = geometry(y);
  const auto body = [&](const qloom_call&, const qloom_block& b, std::uint64_t) {
    return ops.decode(quantizer_.self(), &b, codes.data() + b.first, y.data() + b.first);
  };
  for_each_block(quantizer_.method(), "decode " + context_.name, t, call(), body);
}

void SiteQuantizer::backward(const Tensor& x, const Tensor& dy, Tensor& dx) {
  const auto& ops = quantizer_.ops<qloom_quantizer>();
  const Tensor& in = clamped(x);
  const qloom_tensor t = geometry(in);
  if (&dx != &dy) dx.resize(x.shape());
  if (t.n == 0) return;
  qloom_error error = registry::empty_error();
  if (ops.backward_prepare != nullptr) {
    qloom_tensor g = t;
    g.data = dy.data();
    registry::check(quantizer_.method(), "backward_prepare",
                    ops.backward_prepare(quantizer_.self(), &t, &g, &error), error);
  }
  if (ops.backward == nullptr) {
    if (&dx != &dy) std::memcpy(dx.data(), dy.data(), t.n * sizeof(float));
  } else {
    backward_blocks(t, in, dy, dx);
  }
  if (spec_.clamp) {
    const auto lo = static_cast<float>(spec_.clamp->first), hi = static_cast<float>(spec_.clamp->second);
    for_each_tile(t.n, [&](std::uint64_t first, std::uint64_t n) {
      for (std::uint64_t i = first; i < first + n; ++i) {
        if (!(x[i] >= lo && x[i] <= hi)) dx[i] = 0.0F;
      }
    });
  }
}

void SiteQuantizer::backward_blocks(const qloom_tensor& t, const Tensor& x, const Tensor& dy,
                                    Tensor& dx) {
  const auto& ops = quantizer_.ops<qloom_quantizer>();
  const std::uint64_t width = ops.sums_per_group;
  const std::uint64_t tiles = (t.n + kTileElements - 1) / kTileElements;
  // Offset of each tile's sums; a tile touches few groups unless channels are innermost.
  offsets_.assign(tiles + 1, 0);
  for (std::uint64_t i = 0; i < tiles; ++i) {
    const std::uint64_t first = i * kTileElements;
    offsets_[i + 1] =
        offsets_[i] + width * block_of(t, first, std::min(kTileElements, t.n - first)).group_count;
  }
  partials_.assign(offsets_[tiles], 0.0);
  const auto body = [&](const qloom_call& c, const qloom_block& b, std::uint64_t i) {
    return ops.backward(quantizer_.self(), &c, &b, x.data() + b.first, dy.data() + b.first,
                        dx.data() + b.first, partials_.data() + offsets_[i]);
  };
  for_each_block(quantizer_.method(), "backward " + context_.name, t, call(), body);
  if (width == 0 || ops.learned_gradients == nullptr || learned_.empty()) return;
  sums_.assign(t.groups * width, 0.0);
  for (std::uint64_t i = 0; i < tiles; ++i) {  // block order
    const std::uint64_t first = i * kTileElements;
    const qloom_block b = block_of(t, first, std::min(kTileElements, t.n - first));
    for (std::uint64_t j = 0; j < b.group_count * width; ++j) {
      sums_[b.group_first * width + j] += partials_[offsets_[i] + j];
    }
  }
  std::vector<float*> gradients;
  for (auto& l : learned_) gradients.push_back(l.gradient.data());
  qloom_error error = registry::empty_error();
  registry::check(quantizer_.method(), "learned_gradients",
                  ops.learned_gradients(quantizer_.self(), sums_.data(), t.groups, gradients.data(),
                                        &error),
                  error);
}

void SiteQuantizer::after_update() {
  const auto& ops = quantizer_.ops<qloom_quantizer>();
  if (ops.after_update == nullptr) return;
  qloom_error error = registry::empty_error();
  registry::check(quantizer_.method(), "after_update", ops.after_update(quantizer_.self(), &error),
                  error);
}

}  // namespace qloom::network
