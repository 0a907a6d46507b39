// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>

#include <qloom/observed.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// The finite values of one group; their magnitudes when abs.
std::vector<float> values_of_group(const qloom_tensor& x, std::uint64_t group, bool abs) {
  std::vector<float> values;
  values.reserve(x.outer * x.inner);
  for (std::uint64_t o = 0; o < x.outer; ++o) {
    const std::uint64_t first = (o * x.groups + group) * x.inner;
    const std::uint64_t end = std::min(first + x.inner, x.n);  // the last group may be short
    for (std::uint64_t i = first; i < end; ++i) {
      if (std::isfinite(x.data[i])) values.push_back(abs ? std::fabs(x.data[i]) : x.data[i]);
    }
  }
  return values;
}

/// n percent / 100; an integer when it is one but for rounding.
///
/// n < 2^40, so the product is wrong by less than 2^-12: nearer to an integer than kNear means
/// equal to it for every percentage with up to three decimals and n up to 10^9.
double share(std::size_t n, double percent) {
  constexpr double kNear = 1e-6;
  const double k = static_cast<double>(n) * percent / 100.0;
  return std::fabs(k - std::nearbyint(k)) < kNear ? std::nearbyint(k) : k;
}

/// Order statistic, rank 1 .. n; reorders the values.
double order_statistic(std::vector<float>& values, double rank) {
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(rank) - 1;
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

/// Order statistics of every tensor at a percentile, averaged over the tensors of a round.
///
/// state:     lo, hi: sums of the tensors' ends; tensors: how many had a finite value;
///            has_negatives: whether the grid and the tensor have
/// exactness: the order statistics are exact, the averages in double in order of observation
/// errors:    QLOOM_E_ORDER for a group without a finite value
class Percentile {
 public:
  explicit Percentile(const Params& params)
      : percent_(params.number("/percentile")),
        is_one_sided_(params.text("/mode") == "one_sided") {}
  void begin(const qloom_range_context& context, std::uint32_t) {
    has_negatives_ = context.is_signed != 0 && context.after_relu == 0;
    lo_.clear();
    hi_.clear();
    tensors_.clear();
  }
  void observe(const qloom_tensor& x) {
    match_groups(lo_, x.groups, 0.0);
    match_groups(hi_, x.groups, 0.0);
    match_groups(tensors_, x.groups, 0.0);
    std::vector<std::vector<float>> values(x.groups);
    for (std::uint64_t g = 0; g < x.groups; ++g) values[g] = values_of_group(x, g, is_one_sided_);
    for_each(x.groups, [&](std::uint64_t g) noexcept { add(g, values[g]); });
  }
  void ranges(std::span<qloom_range> out) const {
    std::vector<double> lo(lo_), hi(hi_);
    for (std::size_t g = 0; g < lo.size(); ++g) {
      lo[g] = tensors_[g] > 0 ? lo_[g] / tensors_[g] : 1.0;
      hi[g] = tensors_[g] > 0 ? hi_[g] / tensors_[g] : -1.0;
    }
    write_ranges(out, lo, hi);
  }
  template <class Archive>
  void state(Archive& a) {
    a("lo", lo_);
    a("hi", hi_);
    a("tensors", tensors_);
    std::uint8_t has_negatives = has_negatives_;
    a("has_negatives", has_negatives);
    has_negatives_ = has_negatives != 0;
  }

 private:
  void add(std::uint64_t g, std::vector<float>& values) noexcept {
    if (values.empty()) return;
    const auto n = static_cast<double>(values.size());
    const double inside = share(values.size(), percent_);
    const double hi = order_statistic(values, std::min(std::floor(inside), n - 1) + 1);
    hi_[g] += hi;
    if (!is_one_sided_) {
      lo_[g] += order_statistic(values, n - std::ceil(inside) + 1);
    } else if (has_negatives_) {
      lo_[g] -= hi;
    }
    tensors_[g] += 1;
  }

  double percent_;
  bool is_one_sided_, has_negatives_ = true;
  std::vector<double> lo_, hi_, tensors_;
};

}  // namespace

QLOOM_METHODS(qloom::sdk::Range<Percentile>)
