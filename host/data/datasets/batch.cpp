// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>
#include <array>
#include <utility>

#include "host/data/datasets/dataset.hpp"
#include "host/tensor/parallel.hpp"
#include "host/tensor/random.hpp"

namespace qloom::data {
namespace {

constexpr std::size_t kTableChannels = 4;  // 4 KiB of float: a table for each image channel
using Table = std::array<float, 256 * kTableChannels>;

/// Value of a byte in channel c; worked out in double and rounded once.
float pixel_value(const Dataset& set, Normalisation how, std::size_t c, std::uint8_t byte) {
  const double x = byte;
  switch (how) {
    case Normalisation::kUnit:
      return static_cast<float>(x / 255.0);
    case Normalisation::kSymmetric:
      return static_cast<float>(x / 127.5 - 1.0);
    case Normalisation::kStandard:
      break;
  }
  return static_cast<float>((x / 255.0 - static_cast<double>(set.mean[c])) /
                            static_cast<double>(set.deviation[c]));
}

}  // namespace

std::vector<std::int32_t> shuffled_order(std::int64_t count, std::uint64_t seed,
                                         std::uint64_t epoch) {
  constexpr std::uint64_t kStream = stream_id("data/shuffle");
  std::vector<std::pair<std::uint64_t, std::int32_t>> keyed(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < keyed.size(); ++i) {
    const std::uint64_t high = random_word(seed, kStream, epoch, 2 * i);
    const std::uint64_t low = random_word(seed, kStream, epoch, 2 * i + 1);
    keyed[i] = {high << 32 | low, static_cast<std::int32_t>(i)};
  }
  std::sort(keyed.begin(), keyed.end());  // equal keys: by index
  std::vector<std::int32_t> order(keyed.size());
  for (std::size_t i = 0; i < keyed.size(); ++i) order[i] = keyed[i].second;
  return order;
}

void make_batch(const Dataset& set, const Split& split, Normalisation how,
                const std::int32_t* order, std::int64_t first, std::int64_t n, float* x,
                std::int32_t* labels) {
  const auto channels = static_cast<std::size_t>(split.channels);
  const auto pixels = static_cast<std::size_t>(split.height * split.width) * channels;
  const bool has_table = !split.bytes.empty() && channels <= kTableChannels;
  Table table;
  for (std::size_t i = 0; has_table && i < 256 * channels; ++i) {
    table[i] = pixel_value(set, how, i / 256, static_cast<std::uint8_t>(i % 256));
  }
  for_each(static_cast<std::uint64_t>(n), [&](std::uint64_t row) {
    const auto sample = static_cast<std::size_t>(order[static_cast<std::uint64_t>(first) + row]);
    float* out = x + row * pixels;
    labels[row] = split.labels[sample];
    if (split.bytes.empty()) {
      std::copy_n(split.values.data() + sample * pixels, pixels, out);
      return;
    }
    const std::uint8_t* in = split.bytes.data() + sample * pixels;
    for (std::size_t i = 0; i < pixels; i += channels) {
      for (std::size_t c = 0; c < channels; ++c) {
        out[i + c] = has_table ? table[256 * c + in[i + c]] : pixel_value(set, how, c, in[i + c]);
      }
    }
  });
}

}  // namespace qloom::data
