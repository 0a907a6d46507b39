// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// k-means on a line: clusters are intervals of the sorted values.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include <qloom/grids/sorted_group.hpp>

namespace qloom::sdk {

enum class Start { kLinear, kDensity, kRandom };

/// Of the word of the parameter "initial".
[[nodiscard]] inline Start start_of(const std::string& word) {
  return word == "linear" ? Start::kLinear : word == "density" ? Start::kDensity : Start::kRandom;
}

/// Ascending centroids, and the ends between them: a value belongs to the first centroid whose end
/// it does not exceed, the last one if none.
struct Clusters {
  std::vector<double> centroids, ends;

  void set_ends() {
    ends.resize(centroids.size() - 1);
    for (std::size_t j = 0; j < ends.size(); ++j) {
      ends[j] = (centroids[j] + centroids[j + 1]) / 2.0;
    }
  }
  [[nodiscard]] std::size_t of(float value) const noexcept {
    return static_cast<std::size_t>(std::lower_bound(ends.begin(), ends.end(), double{value}) -
                                    ends.begin());
  }
};

/// k of the values, drawn without putting back; a function of seed and stream.
[[nodiscard]] inline std::vector<double> drawn_values(const std::vector<float>& values,
                                                      std::size_t k, std::uint64_t seed,
                                                      std::uint64_t stream) {
  std::vector<std::size_t> place(values.size());
  std::iota(place.begin(), place.end(), std::size_t{0});
  std::vector<std::uint32_t> words(k);
  kernels().random_u32(seed, stream, 0, 0, words.data(), k);
  std::vector<double> drawn;
  for (std::size_t j = 0; j < k; ++j) {
    const std::uint64_t left = place.size() - j;
    std::swap(place[j], place[j + (std::uint64_t{words[j]} * left >> 32)]);
    drawn.push_back(values[place[j]]);
  }
  std::sort(drawn.begin(), drawn.end());
  return drawn;
}

/// The first centroids of more than k values.
[[nodiscard]] inline std::vector<double> first_centroids(const SortedGroup& w, std::size_t k,
                                                         Start start, std::uint64_t seed,
                                                         std::uint64_t stream) {
  if (start == Start::kRandom) return drawn_values(w.values(), k, seed, stream);
  const double lo = w.values().front(), hi = w.values().back();
  const auto n = static_cast<double>(w.size()), count = static_cast<double>(k);
  std::vector<double> centroids(k, k == 1 ? w.mean(0, w.size()) : lo);
  for (std::size_t j = 0; j < k; ++j) {
    const auto number = static_cast<double>(j);
    if (start == Start::kDensity) {  // the smallest value that this share does not exceed
      const double rank = std::ceil(n * (2.0 * number + 1.0) / (2.0 * count));
      centroids[j] = w.values()[static_cast<std::size_t>(rank) - 1];
    } else if (k > 1) {
      centroids[j] = lo + number * (hi - lo) / (count - 1.0);
    }
  }
  return centroids;
}

/// Lloyd's iteration. The centroids are the means, weighted where the group has weights, of the
/// clusters that `ends` makes; one without members keeps its place. Of at most k distinct values
/// each is a centroid.
[[nodiscard]] inline Clusters k_means(const SortedGroup& w, std::size_t k, Start start,
                                      std::uint64_t seed, std::uint64_t stream,
                                      std::int64_t max_iterations) {
  std::vector<double> distinct(w.values().begin(), w.values().end());
  distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
  if (distinct.size() <= k) {
    distinct.resize(k, distinct.empty() ? 0.0 : distinct.back());
    Clusters exact{std::move(distinct), {}};
    exact.set_ends();
    return exact;
  }
  Clusters found{first_centroids(w, k, start, seed, stream), {}};
  std::vector<std::size_t> before;
  for (std::int64_t i = 0; i < max_iterations; ++i) {
    found.set_ends();
    std::vector<std::size_t> bounds{0};
    for (const double end : found.ends) bounds.push_back(w.up_to(end));
    bounds.push_back(w.size());
    if (bounds == before) break;
    for (std::size_t j = 0; j < k; ++j) {
      if (bounds[j + 1] <= bounds[j]) continue;
      found.centroids[j] = w.mean(bounds[j], bounds[j + 1]);
    }
    before = std::move(bounds);
  }
  return found;
}

}  // namespace qloom::sdk
