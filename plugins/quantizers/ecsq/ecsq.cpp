// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Entropy-constrained scalar quantization of weights (Choi, El-Khamy, Lee, 2017; Chou, Lookabaugh,
// Gray, 1989).
#include <cmath>
#include <cstdint>
#include <vector>

#include <qloom/elementary.hpp>
#include <qloom/grids/k_means.hpp>
#include <qloom/grids/shared_values.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// Least of D + lambda H over centroids and assignment, D = mean of h (w - c)^2, H the entropy of
/// the assignment in bits. In turn, from k centroids of equal shares on: each weight goes to the
/// centroid of the least h (w - c)^2 - lambda log2 p, of equal ones the first; c = sum h w / sum h,
/// p = share of the weights; centroids without weights go. Ends when the cost falls by less than
/// `tolerance` of itself.
class Ecsq : public SharedValues {
 public:
  explicit Ecsq(const Params& params)
      : SharedValues(params),
        lambda_(params.number("/lambda")),
        tolerance_(params.number("/tolerance")),
        start_(start_of(params.text("/initial"))),
        max_iterations_(params.integer("/max_iterations")) {}

  void prepare(const qloom_prepare& in) {
    share(in, [&](std::uint64_t number, const Group& group) { return search(group, number); });
  }

 private:
  [[nodiscard]] Shared search(const Group& group, std::uint64_t number) const {
    const Clusters start = k_means(SortedGroup(group.values, group.weights), most_centroids(),
                                   start_, 0, number, max_iterations_);
    Shared found{{start.centroids.begin(), start.centroids.end()}, start.index_of(group.values)};
    keep_used(group, found);
    const double equal = bits_of(1.0 / static_cast<double>(found.centroids.size()));
    std::vector<double> rate(found.centroids.size(), equal);
    double before = INFINITY;
    for (std::int64_t i = 0; i < max_iterations_; ++i) {
      const double cost = assign(group, rate, found);
      keep_used(group, found);
      rate = rates_of(found);
      if (!(before - cost > tolerance_ * cost)) break;
      before = cost;
    }
    return found;
  }

  /// Each value to its best centroid; the cost per value, whose rates are those of before. A loop:
  /// an array of the costs of all values at all centroids would take more memory than the network.
  [[nodiscard]] double assign(const Group& group, const std::vector<double>& rate,
                              Shared& found) const {
    std::vector<double> price(rate.size());
    for (std::size_t j = 0; j < rate.size(); ++j) price[j] = lambda_ * rate[j];
    double all = 0;
    for (std::size_t i = 0; i < group.values.size(); ++i) {
      const double value = group.values[i], weight = group.weight(i);
      const double* const centroid = found.centroids.data();
      double best = INFINITY;
      std::size_t nearest = 0;
      for (std::size_t j = 0; j < price.size(); ++j) {
        const double d = value - centroid[j];
        const double cost = weight * d * d + price[j];
        nearest = cost < best ? j : nearest;
        best = cost < best ? cost : best;
      }
      found.index[i] = nearest;
      all += best;
    }
    return all / static_cast<double>(group.values.size());
  }
  /// Means of the members of those centroids that have any.
  static void keep_used(const Group& group, Shared& found) {
    std::vector<std::size_t> number(found.centroids.size(), 0);
    for (const std::size_t j : found.index) number[j] = 1;
    std::size_t used = 0;
    for (std::size_t& n : number) n = n == 0 ? 0 : used++;
    for (std::size_t& j : found.index) j = number[j];
    found.centroids = means_of(group, found.index, used);
  }
  /// -log2 of each centroid's share. Unit: bits.
  [[nodiscard]] static std::vector<double> rates_of(const Shared& found) {
    std::vector<double> rates(found.centroids.size(), 0.0);
    for (const std::size_t j : found.index) ++rates[j];
    const auto n = static_cast<double>(found.index.size());
    for (double& r : rates) r = bits_of(r / n);
    return rates;
  }
  /// -log2 share
  [[nodiscard]] static double bits_of(double share) noexcept {
    return -double{elementary::log(share)} / double{elementary::log(2.0)};
  }

  double lambda_, tolerance_;
  Start start_;
  std::int64_t max_iterations_;
};

}  // namespace

QLOOM_METHODS(Quantizer<Ecsq>)
