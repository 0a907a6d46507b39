// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// k-means on a line: clusters are intervals of the sorted values. Needs the xtensor headers.
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include <xtensor/xbuilder.hpp>
#include <xtensor/xindex_view.hpp>
#include <xtensor/xmath.hpp>
#include <xtensor/xset_operation.hpp>
#include <xtensor/xsort.hpp>
#include <xtensor/xview.hpp>

#include <qloom/grids/sorted_group.hpp>
#include <qloom/xtensor.hpp>

namespace qloom::sdk {

enum class Start { kLinear, kDensity, kRandom };

/// Of the word of the parameter "initial".
[[nodiscard]] inline Start start_of(const std::string& word) {
  return word == "linear" ? Start::kLinear : word == "density" ? Start::kDensity : Start::kRandom;
}

/// The middles between ascending centroids.
[[nodiscard]] inline Doubles middles_of(const Doubles& centroids) {
  const std::size_t last = centroids.size() - 1;
  return (xt::view(centroids, xt::range(0, last)) + xt::view(centroids, xt::range(1, last + 1))) /
         2.0;
}

/// Ascending centroids, and the ends between them: a value belongs to the first centroid whose end
/// it does not exceed, the last one if none.
struct Clusters {
  Doubles centroids, ends;

  /// Number of each value's centroid.
  [[nodiscard]] std::vector<std::size_t> index_of(const std::vector<float>& values) const {
    const auto index = xt::searchsorted(ends, view(values));
    return {index.begin(), index.end()};
  }
};

/// k of the values, drawn without putting back; a function of seed and stream.
[[nodiscard]] inline Doubles drawn_values(const std::vector<float>& values, std::size_t k,
                                          std::uint64_t seed, std::uint64_t stream) {
  std::vector<std::size_t> place(values.size());
  std::iota(place.begin(), place.end(), std::size_t{0});
  std::vector<std::uint32_t> words(k);
  kernels().random_u32(seed, stream, 0, 0, words.data(), k);
  Doubles drawn = xt::empty<double>({k});
  for (std::size_t j = 0; j < k; ++j) {
    const std::uint64_t left = place.size() - j;
    std::swap(place[j], place[j + (std::uint64_t{words[j]} * left >> 32)]);
    drawn(j) = values[place[j]];
  }
  return xt::sort(drawn);
}

/// The first centroids of more than k values.
[[nodiscard]] inline Doubles first_centroids(const SortedGroup& w, std::size_t k, Start start,
                                             std::uint64_t seed, std::uint64_t stream) {
  if (start == Start::kRandom) return drawn_values(w.values(), k, seed, stream);
  const auto n = static_cast<double>(w.size()), count = static_cast<double>(k);
  const Doubles number = xt::arange<double>(count);
  if (start == Start::kDensity) {  // the smallest values that these shares do not exceed
    const Doubles place = xt::ceil(n * (2.0 * number + 1.0) / (2.0 * count)) - 1.0;
    const std::vector<std::size_t> places(place.begin(), place.end());
    return xt::index_view(view(w.values()), places);
  }
  const double lo = w.values().front(), hi = w.values().back();
  if (k == 1) return {w.mean(0, w.size())};
  return lo + number * (hi - lo) / (count - 1.0);
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
    const Doubles exact = view(distinct);
    return {exact, middles_of(exact)};
  }
  Clusters found{first_centroids(w, k, start, seed, stream), {}};
  std::vector<std::size_t> before;
  for (std::int64_t i = 0; i < max_iterations; ++i) {
    found.ends = middles_of(found.centroids);
    const auto inner = xt::searchsorted(view(w.values()), found.ends, false);  // up to each end
    std::vector<std::size_t> bounds{0};
    bounds.insert(bounds.end(), inner.begin(), inner.end());
    bounds.push_back(w.size());
    if (bounds == before) break;
    for (std::size_t j = 0; j < k; ++j) {
      if (bounds[j] < bounds[j + 1]) found.centroids(j) = w.mean(bounds[j], bounds[j + 1]);
    }
    before = std::move(bounds);
  }
  return found;
}

}  // namespace qloom::sdk
