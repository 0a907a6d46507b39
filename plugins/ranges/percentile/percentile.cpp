// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>

#include <qloom/observed.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// n percent / 100; an integer when it is one but for rounding.
///
/// n < 2^40, so the product is wrong by less than 2^-12: nearer to an integer than kNear means
/// equal to it for every percentage with up to three decimals and n up to 10^9.
double share(std::uint64_t n, double percent) {
  constexpr double kNear = 1e-6;
  const double k = static_cast<double>(n) * percent / 100.0;
  return std::fabs(k - std::nearbyint(k)) < kNear ? std::nearbyint(k) : k;
}

/// Order statistics of every tensor at a percentile, averaged over the tensors of a round.
///
/// one_sided: hi is of the magnitudes, lo = -hi; 0 on a grid without negative codes and after a
/// ReLU, for a group without negative values: a grid with a zero point has negative values all the
/// same.
/// state:     lo, hi: sums of the tensors' ends; tensors: how many had a finite value;
///            below_zero: 1 for a group that had a negative one; has_negatives: whether lo is -hi
///            in any case
/// exactness: the order statistics are exact, the averages in double in order of observation
/// errors:    QLOOM_E_ORDER for a group without a finite value
class Percentile {
 public:
  explicit Percentile(const Params& params)
      : percent_(params.number("/percentile")),
        is_one_sided_(params.text("/sides") == "one_sided") {}
  void begin(const qloom_range_context& context, std::uint32_t) {
    has_negatives_ = context.is_signed != 0 && context.after_relu == 0;
    lo_.clear();
    hi_.clear();
    tensors_.clear();
    below_zero_.clear();
  }
  void observe(const qloom_tensor& x) {
    const bool tells_negatives = is_one_sided_ && !has_negatives_;
    for (auto* sums : {&lo_, &hi_, &tensors_}) match_groups(*sums, x.groups, 0.0);
    if (tells_negatives) match_groups<std::uint8_t>(below_zero_, x.groups, 0);
    extremes_.find(x);
    const std::vector<double> ends = order_statistics(x, is_one_sided_, end_ranks(x));
    for (std::uint64_t g = 0; g < x.groups; ++g) {
      if (extremes_.lo[g] > extremes_.hi[g]) continue;  // no finite value
      lo_[g] += is_one_sided_ ? 0.0 : ends[2 * g];      // one_sided: from hi, after the round
      hi_[g] += ends[is_one_sided_ ? g : 2 * g + 1];
      tensors_[g] += 1;
      if (tells_negatives && extremes_.lo[g] < 0) below_zero_[g] = 1;
    }
  }
  void ranges(std::span<qloom_range> out) const {
    std::vector<double> lo(lo_), hi(hi_);
    for (std::size_t g = 0; g < lo.size(); ++g) {
      lo[g] = tensors_[g] > 0 ? lo_[g] / tensors_[g] : 1.0;
      hi[g] = tensors_[g] > 0 ? hi_[g] / tensors_[g] : -1.0;
      if (is_one_sided_ && tensors_[g] > 0) {
        lo[g] = has_negatives_ || (g < below_zero_.size() && below_zero_[g] != 0) ? -hi[g] : 0.0;
      }
    }
    write_ranges(out, lo, hi);
  }
  template <class Archive>
  void state(Archive& a) {
    a("lo", lo_);
    a("hi", hi_);
    a("tensors", tensors_);
    require_equal_sizes(lo_, hi_, tensors_);
    a("below_zero", below_zero_);
    std::uint8_t has_negatives = has_negatives_;
    a("has_negatives", has_negatives);
    has_negatives_ = has_negatives != 0;
  }

 private:
  /// Which of a group's finite values are its ends.
  [[nodiscard]] std::vector<std::uint64_t> end_ranks(const qloom_tensor& x) const {
    std::vector<std::uint64_t> ranks;
    const std::vector<double> counts = reduce(x, QLOOM_REDUCE_COUNT);
    for (std::uint64_t g = 0; g < x.groups; ++g) {
      const std::uint64_t n = static_cast<std::uint64_t>(counts[g]) - extremes_.nonfinite[g];
      const double k = share(n, percent_);
      if (!is_one_sided_) ranks.push_back(n - static_cast<std::uint64_t>(std::ceil(k)));
      ranks.push_back(std::min(static_cast<std::uint64_t>(k), n - 1));
    }
    return ranks;
  }

  double percent_;
  bool is_one_sided_;  // of |x|; no lower end
  bool has_negatives_ = true;
  Extremes extremes_;
  std::vector<double> lo_, hi_, tensors_;
  std::vector<std::uint8_t> below_zero_;
};

}  // namespace

QLOOM_METHODS(qloom::sdk::Range<Percentile>)
