// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// One group's values in ascending order. On a line every cluster is an interval, so what a search
// for levels needs is the number and the sum of the values between two places.
#pragma once

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <vector>

#include <qloom/support.hpp>

namespace qloom::sdk {

/// exactness: sums are differences of running sums in double, in ascending order of the values
class SortedGroup {
 public:
  /// weights: of the values, one each, not negative; none: all alike.
  explicit SortedGroup(std::vector<float> values, const std::vector<double>& weights = {})
      : values_(std::move(values)) {
    std::vector<std::size_t> order;
    if (!weights.empty()) {
      order.resize(values_.size());
      std::iota(order.begin(), order.end(), std::size_t{0});
      std::stable_sort(order.begin(), order.end(),
                       [&](std::size_t a, std::size_t b) { return values_[a] < values_[b]; });
    }
    std::sort(values_.begin(), values_.end());
    running_.reserve(values_.size() + 1);
    running_.push_back(0.0);
    for (const float v : values_) running_.push_back(running_.back() + double{v});
    if (order.empty()) return;
    weights_.push_back(0.0);
    weighted_.push_back(0.0);
    for (std::size_t i = 0; i < order.size(); ++i) {
      weights_.push_back(weights_.back() + weights[order[i]]);
      weighted_.push_back(weighted_.back() + weights[order[i]] * double{values_[i]});
    }
  }
  static SortedGroup of(const qloom_tensor& x, std::uint64_t group) {
    std::vector<float> values;
    for_each_in_group(x, group, [&](float v) { values.push_back(v); });
    return SortedGroup(std::move(values));
  }

  [[nodiscard]] const std::vector<float>& values() const noexcept { return values_; }
  [[nodiscard]] std::size_t size() const noexcept { return values_.size(); }
  /// How many values are at most x, and how many are below it.
  [[nodiscard]] std::size_t up_to(double x) const noexcept {
    return static_cast<std::size_t>(std::upper_bound(values_.begin(), values_.end(), x) -
                                    values_.begin());
  }
  [[nodiscard]] std::size_t below(double x) const noexcept {
    return static_cast<std::size_t>(std::lower_bound(values_.begin(), values_.end(), x) -
                                    values_.begin());
  }
  /// Of the values number begin .. end - 1.
  [[nodiscard]] double sum(std::size_t begin, std::size_t end) const noexcept {
    return running_[end] - running_[begin];
  }
  /// Weighted mean of the same, at least one; the plain one where their weights are 0.
  [[nodiscard]] double mean(std::size_t begin, std::size_t end) const noexcept {
    const double weight = weights_.empty() ? 0.0 : weights_[end] - weights_[begin];
    if (weight > 0) return (weighted_[end] - weighted_[begin]) / weight;
    return sum(begin, end) / static_cast<double>(end - begin);
  }

 private:
  std::vector<float> values_;
  std::vector<double> running_;             // sums of the values up to each place
  std::vector<double> weights_, weighted_;  // of the weights and of weight * value; none: alike
};

}  // namespace qloom::sdk
