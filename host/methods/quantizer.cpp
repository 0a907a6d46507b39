// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/methods/quantizer.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <qloom/geometry.hpp>

#include "host/methods/geometry.hpp"
#include "host/tensor/error.hpp"

namespace qloom::methods {

void Refusals::note(std::uint64_t tile, const char* what, qloom_status status,
                    const qloom_error& error) noexcept {
  const std::lock_guard lock(mutex_);
  if (tile >= tile_) return;
  tile_ = tile;
  what_ = what;
  status_ = status;
  error_ = error;
}

Quantizer::Quantizer(registry::Instance instance, std::string place, Json blocks)
    : Driver(std::move(instance), std::move(place)),
      blocks_(std::move(blocks)),
      refusals_(std::make_unique<Refusals>()) {}

qloom_range_context Quantizer::grid(bool after_relu) const {
  qloom_range_context c{};
  c.struct_size = sizeof c;
  c.bits = 8;
  c.is_signed = 1;
  c.after_relu = after_relu ? 1 : 0;  // a grid may follow from it
  c.levels = 256;
  if (ops().context != nullptr) {
    const auto status = recorded("context", [&] { return ops().context(self(), &c); });
    check("context", status, registry::empty_error(), Names::kMethodAlone);
  }
  c.after_relu = after_relu ? 1 : 0;
  return c;
}

void Quantizer::prepare(const qloom_prepare& in) {
  groups_ = EncodedGroups(in.x, blocks_);
  call("prepare", [&](qloom_error* error) { return ops().prepare(self(), &in, error); });
}

qloom_encoding Quantizer::encoding() const {
  qloom_encoding e{};
  e.struct_size = sizeof e;
  const auto status = recorded("encoding", [&] { return ops().encoding(self(), &e); });
  if (status != QLOOM_OK) e.kind = QLOOM_ENCODING_NONE;
  const std::string fault = fault_of(e, groups_);
  if (fault.empty()) return e;
  throw RunError(fmt::format("{}quantizer \"{}\": encoding: {}",
                             place().empty() ? "" : place() + ": ", method().id, fault));
}

void Quantizer::start_tiles(const qloom_tensor& geometry, const qloom_call& call) {
  geometry_ = geometry;
  call_ = call;
  refusals_->reset();
}

template <class Body>
void Quantizer::for_tiles(const char* what, std::uint64_t first, std::uint64_t n,
                          const Body& body) const noexcept {
  qloom_error error = registry::empty_error();
  qloom_call c = call_;
  c.error = &error;
  for (const std::uint64_t end = first + n; first < end; first += kTileElements) {
    const std::uint64_t tile = first / kTileElements;
    const qloom_block block = sdk::block_of(geometry_, first, std::min(kTileElements, end - first));
    const qloom_status status = recorded(what, [&] { return body(c, block, tile); });
    if (status == QLOOM_OK) continue;
    refusals_->note(tile, what, status, error);
    error = registry::empty_error();
  }
}

void Quantizer::apply(std::uint64_t first, std::uint64_t n, const float* x,
                      float* y) const noexcept {
  for_tiles("apply", first, n, [&](const qloom_call& c, const qloom_block& b, std::uint64_t) {
    return ops().apply(self(), &c, &b, x + (b.first - first), y + (b.first - first));
  });
}

void Quantizer::encode(std::uint64_t first, std::uint64_t n, const float* x,
                       std::int32_t* codes) const noexcept {
  for_tiles("encode", first, n, [&](const qloom_call& c, const qloom_block& b, std::uint64_t) {
    return ops().encode(self(), &c, &b, x + (b.first - first), codes + (b.first - first));
  });
}

void Quantizer::decode(std::uint64_t first, std::uint64_t n, const std::int32_t* codes,
                       float* y) const noexcept {
  for_tiles("decode", first, n, [&](const qloom_call&, const qloom_block& b, std::uint64_t) {
    return ops().decode(self(), &b, codes + (b.first - first), y + (b.first - first));
  });
}

void Quantizer::backward(std::uint64_t first, std::uint64_t n, const float* x, const float* dy,
                         float* dx) noexcept {
  if (ops().backward == nullptr) {
    if (dx != dy) std::copy_n(dy, n, dx);
    return;
  }
  const auto body = [&](const qloom_call& c, const qloom_block& b, std::uint64_t tile) {
    const std::uint64_t i = b.first - first;
    return ops().backward(self(), &c, &b, x + i, dy + i, dx + i, partials_.data() + offsets_[tile]);
  };
  for_tiles("backward", first, n, body);
}

void Quantizer::check_tiles() const {
  check(refusals_->what(), refusals_->status(), refusals_->error());
}

void Quantizer::start_sums() {
  const std::uint64_t width = ops().sums_per_group, tiles = tile_count(geometry_.n);
  offsets_.assign(tiles + 1, 0);  // a tile touches few groups unless channels are innermost
  if (width == 0) return;
  for (std::uint64_t i = 0; i < tiles; ++i) {
    offsets_[i + 1] = offsets_[i] + width * tile_of(geometry_, i).group_count;
  }
  partials_.assign(offsets_[tiles], 0.0);
}

void Quantizer::backward_prepare(const qloom_tensor& x, const qloom_tensor& dy) const {
  call("backward_prepare",
       [&](qloom_error* error) { return ops().backward_prepare(self(), &x, &dy, error); });
}

void Quantizer::add_sums(std::vector<LearnedParameter>& learned) {
  const std::uint64_t width = ops().sums_per_group;
  if (width == 0 || ops().learned_gradients == nullptr) return;
  sums_.assign(geometry_.groups * width, 0.0);
  for (std::uint64_t i = 0; i < tile_count(geometry_.n); ++i) {
    const qloom_block b = tile_of(geometry_, i);
    for (std::uint64_t j = 0; j < b.group_count * width; ++j) {
      sums_[b.group_first * width + j] += partials_[offsets_[i] + j];
    }
  }
  gradients_.clear();
  for (auto& l : learned) gradients_.push_back(l.gradient.data());
  call("learned_gradients", [&](qloom_error* error) {
    return ops().learned_gradients(self(), sums_.data(), geometry_.groups, gradients_.data(),
                                   error);
  });
  for (const auto& l : learned) {
    const auto bad = std::find_if_not(l.gradient.begin(), l.gradient.end(),
                                      [](float g) { return std::isfinite(g); });
    if (bad == l.gradient.end()) continue;
    throw NotFinite(
        fmt::format("{}: the gradient of {}, value {} of {}, is {}; expected finite values",
                    place(), l.name, bad - l.gradient.begin(), l.gradient.size(), *bad));
  }
}

void Quantizer::read_learned(std::vector<LearnedParameter>& learned) const {
  if (ops().learned == nullptr) return;
  for (std::uint32_t i = 0;; ++i) {
    qloom_learned l{};
    l.struct_size = sizeof l;
    const auto status = recorded("learned", [&] { return ops().learned(self(), i, &l); });
    if (status != QLOOM_OK) return;
    if (learned.size() <= i) learned.emplace_back();
    LearnedParameter& own = learned[i];
    if (own.name != l.name) {
      own.name = l.name;
      own.key = place() + "/" + l.name;
    }
    own.value = l.value;
    own.gradient.resize(l.count);
    own.rate_factor = l.rate_factor;
    own.decay_factor = l.decay_factor;
  }
}

void Quantizer::after_update() const {
  if (ops().after_update == nullptr) return;
  call("after_update", [&](qloom_error* error) { return ops().after_update(self(), error); });
}

}  // namespace qloom::methods
