// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Kullback-Leibler divergence of a clipped histogram from its quantized form: Migacz, 2017.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace qloom::plugins::kl_entropy {

/// sum P log(P / Q) in nats for a histogram that is clipped after some of its bins. P: the counts
/// up to there, the last one with all counts that lie beyond. Q: `levels` spans of equal width, bin
/// i in the span that its left edge lies in; each span's mean over its bins that are not empty, on
/// these bins. Both are normalised. A bin of P that is empty in Q, which only the last can be, adds
/// P log(P / smoothing), infinity for 0.
///
/// With c the counts of P and q those of Q: (sum c log c - sum c log q) / sum c + log(sum q / sum
/// c), where q is one number in a span, so that sums of counts are enough.
class Divergence {
 public:
  Divergence(std::span<const double> counts, std::uint64_t levels, double smoothing)
      : levels_(levels), smoothing_(smoothing), sum_(1), filled_(1), log_sum_(1) {
    for (const double c : counts) {
      sum_.push_back(sum_.back() + c);
      filled_.push_back(filled_.back() + (c > 0 ? 1.0 : 0.0));
      log_sum_.push_back(log_sum_.back() + times_log(c, c));
    }
  }
  [[nodiscard]] bool has_counts(std::size_t bins) const { return sum_[bins] > 0; }
  /// Of the first `bins` bins, has_counts().
  [[nodiscard]] double of(std::size_t bins) const {
    const double kept = sum_[bins], total = sum_.back(), beyond = total - kept;
    const double last = kept - sum_[bins - 1];
    double cross = 0, last_q = 0;
    for (std::uint64_t j = 0; j < levels_; ++j) {
      const std::size_t begin = edge(j, bins), end = edge(j + 1, bins);
      const double filled = filled_[end] - filled_[begin], sum = sum_[end] - sum_[begin];
      if (filled == 0) continue;
      cross += times_log(sum, sum / filled);
      if (end == bins && begin < end) last_q = sum / filled;
    }
    if (last > 0) {
      const double entropy = log_sum_[bins - 1] + times_log(last + beyond, last + beyond);
      cross += times_log(beyond, last_q);
      return (entropy - cross) / total + std::log(kept / total);
    }
    if (beyond == 0) return (log_sum_[bins] - cross) / total + std::log(kept / total);
    if (smoothing_ == 0) return std::numeric_limits<double>::infinity();
    const double p = beyond / total, inside = (log_sum_[bins] - cross) / total;
    return inside + kept / total * std::log(kept / total) + p * std::log(p / smoothing_);
  }

 private:
  static double times_log(double c, double x) { return c > 0 ? c * std::log(x) : 0.0; }
  [[nodiscard]] std::size_t edge(std::uint64_t j, std::size_t bins) const {
    return static_cast<std::size_t>((j * bins + levels_ - 1) / levels_);
  }

  std::uint64_t levels_;
  double smoothing_;
  std::vector<double> sum_, filled_, log_sum_;  // of the bins before the index
};

}  // namespace qloom::plugins::kl_entropy
