// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Extremes of runs of rows, with their places, and what a normal distribution would give.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include <qloom/channel_norm.hpp>

namespace qloom::sdk {

/// Expected range of n standard normal values: integral of 1 - P(x)^n - (1 - P(x))^n, P the normal
/// distribution function. Simpson's rule on [-10, 10]; the integrand is symmetric and smooth, the
/// tails beyond hold less than 1e-15 for n < 2^32.
[[nodiscard]] inline double gaussian_range(double n) {
  constexpr int kIntervals = 4000;
  constexpr double kEnd = 10.0, kStep = kEnd / kIntervals;
  const auto integrand = [n](double x) {  // x >= 0
    const double tail = 0.5 * std::erfc(x / std::sqrt(2.0));
    return -std::expm1(n * std::log1p(-tail)) - std::pow(tail, n);
  };
  double sum = integrand(0.0) + integrand(kEnd);
  for (int i = 1; i < kIntervals; ++i) sum += (i % 2 == 1 ? 4.0 : 2.0) * integrand(i * kStep);
  return 2.0 * sum * kStep / 3.0;
}

/// Largest and smallest value of each channel in each of `chunks` equal runs of rows, and a row of
/// each: the first of equals.
class ChunkExtremes {
 public:
  /// rows is a multiple of chunks; lanes as ChannelNorm has them. Chunks are cut into blocks that
  /// run in parallel and are merged in order: the same rows for any number of threads.
  void find(const float* x, std::uint64_t rows, std::uint64_t chunks, std::uint64_t channels,
            std::uint64_t lanes) {
    length_ = rows / chunks;
    chunks_ = chunks;
    channels_ = channels;
    lanes_ = lanes;
    block_ = std::max<std::uint64_t>(64, 4096 / channels);
    blocks_ = (length_ + block_ - 1) / block_;  // per chunk
    parts_.reset(chunks * blocks_ * lanes);
    for_each(chunks * blocks_, [&](std::uint64_t i) noexcept { find_in_block(x, i); });
    of_chunks_.reset(chunks * channels);
    for_each(chunks, [&](std::uint64_t j) noexcept {
      for (std::uint64_t c = 0; c < channels_; ++c) merge(x, j, c);
    });
  }

  /// Sum over the chunks of maximum - minimum of a channel.
  [[nodiscard]] double range_sum(std::uint64_t channel) const {
    double high = 0, low = 0;
    for (std::uint64_t j = 0; j < chunks_; ++j) {
      high += of_chunks_.high[j * channels_ + channel];
      low += of_chunks_.low[j * channels_ + channel];
    }
    return high - low;
  }

  /// dx of rows first .. first + rows - 1: step[channel] is taken off at each maximum and added at
  /// each minimum; where all values of a chunk are equal they cancel.
  void move_at_extremes(std::uint64_t first, std::uint64_t rows, const float* step,
                        float* dx) const noexcept {
    if (rows == 0) return;
    const std::uint64_t end = first + rows;
    for (std::uint64_t j = first / length_; j <= (end - 1) / length_; ++j) {
      for (std::uint64_t c = 0; c < channels_; ++c) {
        const std::uint64_t high = of_chunks_.high_row[j * channels_ + c];
        const std::uint64_t low = of_chunks_.low_row[j * channels_ + c];
        if (high == low) continue;
        if (high >= first && high < end) dx[(high - first) * channels_ + c] -= step[c];
        if (low >= first && low < end) dx[(low - first) * channels_ + c] += step[c];
      }
    }
  }

 private:
  struct Extremes {
    std::vector<float> high, low;
    std::vector<std::uint64_t> high_row, low_row;
    void reset(std::uint64_t n) {
      high.assign(n, -std::numeric_limits<float>::infinity());
      low.assign(n, std::numeric_limits<float>::infinity());
      high_row.resize(n);
      low_row.resize(n);
    }
  };

  /// First row and end of block i of all chunks.
  [[nodiscard]] std::pair<std::uint64_t, std::uint64_t> rows_of(std::uint64_t i) const noexcept {
    const std::uint64_t start = i / blocks_ * length_, first = start + i % blocks_ * block_;
    return {first, std::min(first + block_, start + length_)};
  }

  void find_in_block(const float* x, std::uint64_t i) noexcept {
    const auto [first, end] = rows_of(i);
    const float* in = x + first * channels_;
    float *high = &parts_.high[i * lanes_], *low = &parts_.low[i * lanes_];
    for_each_lane((end - first) * channels_, lanes_,
                  [=](std::uint64_t k, std::uint64_t c) noexcept {
                    high[c] = in[k] > high[c] ? in[k] : high[c];
                    low[c] = in[k] < low[c] ? in[k] : low[c];
                  });
    for (std::uint64_t c = channels_; c < lanes_; ++c) {  // the lanes of one channel
      high[c % channels_] = std::max(high[c % channels_], high[c]);
      low[c % channels_] = std::min(low[c % channels_], low[c]);
    }
  }

  /// The extremes of chunk j in channel c: the first block that has them, then their first row there.
  void merge(const float* x, std::uint64_t j, std::uint64_t c) noexcept {
    std::uint64_t high = j * blocks_, low = j * blocks_;
    for (std::uint64_t i = j * blocks_; i < (j + 1) * blocks_; ++i) {
      if (parts_.high[i * lanes_ + c] > parts_.high[high * lanes_ + c]) high = i;
      if (parts_.low[i * lanes_ + c] < parts_.low[low * lanes_ + c]) low = i;
    }
    const auto row_of = [&](std::uint64_t block, float value) {
      auto [row, end] = rows_of(block);
      while (row + 1 < end && !(x[row * channels_ + c] == value)) ++row;
      return row;
    };
    const std::uint64_t at = j * channels_ + c;
    of_chunks_.high[at] = parts_.high[high * lanes_ + c];
    of_chunks_.low[at] = parts_.low[low * lanes_ + c];
    of_chunks_.high_row[at] = row_of(high, of_chunks_.high[at]);
    of_chunks_.low_row[at] = row_of(low, of_chunks_.low[at]);
  }

  std::uint64_t length_ = 1, chunks_ = 0, channels_ = 0, lanes_ = 0, block_ = 1, blocks_ = 0;
  Extremes parts_, of_chunks_;  // of the blocks, one entry per lane; of the chunks
};

}  // namespace qloom::sdk
