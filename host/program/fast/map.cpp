// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/program/fast/map.hpp"

#include <array>
#include <limits>
#include <utility>

namespace qloom::program::fast {
namespace {

constexpr std::int64_t kTile = 512;  // 2 KiB of 32-bit results: stay in the L1 with their constants

/// out[i] = in[i], clamped, which fits.
template <class Out>
void clamp(const std::int32_t* in, std::int64_t n, std::int32_t lo, std::int32_t hi, Out* out) {
  kernels::vectorized([=] {
    const std::int32_t *const x = in, low = lo, high = hi;  // as in convert()
    Out* const y = out;
    const std::int64_t count = n;
    QLOOM_INDEPENDENT_STEPS
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int32_t up = x[i] < low ? low : x[i];
      y[i] = static_cast<Out>(up > high ? high : up);
    }
  });
}

std::unique_ptr<Form> form_of(const MapTask& task) {
  const auto [lo, hi] = whole(behind(task.chain, task.channels, task.values));
  if (lo < std::numeric_limits<std::int32_t>::min()) return nullptr;
  if (hi > std::numeric_limits<std::int32_t>::max()) return nullptr;
  if (bytes_of(task.in) == 1) {
    if (std::unique_ptr<Form> table = make_table(task)) return table;
  }
  for (const auto make : {&make_scaling, &make_search, &make_table}) {
    if (std::unique_ptr<Form> form = make(task)) return form;
  }
  return nullptr;
}

}  // namespace

Range behind(const Chain& chain, std::int64_t channels, const Range& values) {
  Range all;
  for (std::int64_t channel = 0; channel < channels; ++channel) {
    const auto c = static_cast<std::uint64_t>(channel);
    Interval now = values[values.size() == 1 ? 0 : c];
    for (const steps::Step& step : chain) now = *steps::behind(step, c, now);
    all.push_back(now);
  }
  return all;
}

Map::Map(MapTask task, Storage out) : task_(std::move(task)), out_(out), form_(form_of(task_)) {}

void Map::run(const std::byte* in, std::int64_t pixels, std::byte* out) const {
  const std::int64_t n = pixels * task_.channels;
  form_ != nullptr ? run_form(in, n, out) : run_steps(in, n, out);
}

void Map::run_form(const std::byte* in, std::int64_t n, std::byte* out) const {
  const std::int64_t period = form_->period(), in_size = bytes_of(task_.in);
  const auto lo = static_cast<std::int32_t>(form_->bounds().lo);
  const auto hi = static_cast<std::int32_t>(form_->bounds().hi);
  alignas(64) std::array<std::int32_t, kTile> tile;
  with_type(out_, [&](auto one) {
    using Out = decltype(one);
    for (std::int64_t first = 0, count = 0; first < n; first += count) {
      const std::int64_t place = first % period;
      count = std::min({kTile, period - place, n - first});
      form_->run({in + first * in_size, place, count}, tile.data());
      clamp(tile.data(), count, lo, hi, as<Out>(out) + first);
    }
  });
}

void Map::run_steps(const std::byte* in, std::int64_t n, std::byte* out) const {
  std::array<std::int64_t, kTile> tile;
  for (std::int64_t first = 0; first < n; first += kTile) {
    const std::int64_t count = std::min(kTile, n - first);
    load(in + first * bytes_of(task_.in), task_.in, count, tile.data());
    for (std::int64_t i = 0; i < count; ++i) {
      const auto channel = static_cast<std::uint64_t>((first + i) % task_.channels);
      const auto at = static_cast<std::size_t>(i);
      tile[at] = steps::apply(task_.chain, channel, tile[at]);
    }
    store(tile.data(), count, out + first * bytes_of(out_), out_);
  }
}

}  // namespace qloom::program::fast
