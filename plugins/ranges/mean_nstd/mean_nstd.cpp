// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <cmath>

#include <qloom/observed.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// [max(min, mean - N s), min(max, mean + N s)], s the deviation with n - 1 in its denominator, of
/// all finite values of a round, per group.
///
/// Pass 0 finds extremes and mean, pass 1 the squared deviations from it.
/// state:     lo, hi, sums (of pass 0: values, their number), squares: doubles per group
/// exactness: sums in double, in a fixed order
class MeanNstd {
 public:
  static constexpr std::uint32_t kPasses = 2;

  explicit MeanNstd(const Params& params) : deviations_(params.number("/deviations")) {}
  void begin(const qloom_range_context&, std::uint32_t pass) {
    pass_ = pass;
    squares_.clear();
    if (pass > 0) return;
    for (auto* figure : {&lo_, &hi_, &sums_}) figure->clear();
  }
  void observe(const qloom_tensor& x) {
    if (pass_ == 0) {
      extremes_.find(x);
      widen(lo_, hi_, extremes_.lo, extremes_.hi);
      const auto none = [](std::uint64_t) { return 0; };
      return add_finite(sums_, x, scratch_, none, [](int, double v) { return std::array{v, 1.0}; });
    }
    match_groups(lo_, x.groups, 0.0);
    std::vector<double> means(x.groups);
    for (std::size_t g = 0; g < means.size(); ++g) means[g] = mean(g);
    add_finite(squares_, x, scratch_, entry_of(means),
               [](double center, double v) { return std::array{(v - center) * (v - center)}; });
  }
  void ranges(std::span<qloom_range> out) const {
    write_ranges(out, lo_, hi_);
    if (squares_.size() != lo_.size()) throw Error(QLOOM_E_ORDER, "pass 1 has seen no tensor");
    for (std::size_t g = 0; g < out.size(); ++g) {
      const double rest = std::max(1.0, sums_[2 * g + 1] - 1.0);
      const double reach = deviations_ * std::sqrt(squares_[g] / rest);
      out[g] = {std::max(lo_[g], mean(g) - reach), std::min(hi_[g], mean(g) + reach)};
      if (out[g].lo > out[g].hi) out[g] = {mean(g), mean(g)};  // equal values, by rounding
    }
  }
  template <class Archive>
  void state(Archive& a) {
    a("lo", lo_);
    a("hi", hi_);
    a("sums", sums_);
    a("squares", squares_);
    require_equal_sizes(lo_, hi_);
    require_terms(sums_, 2, lo_.size());
    if (!squares_.empty()) require_terms(squares_, 1, lo_.size());
  }

 private:
  [[nodiscard]] double mean(std::size_t g) const {
    return sums_[2 * g + 1] > 0 ? sums_[2 * g] / sums_[2 * g + 1] : 0.0;
  }

  double deviations_;
  std::uint32_t pass_ = 0;
  Extremes extremes_;
  std::vector<double> lo_, hi_, sums_, squares_, scratch_;
};

}  // namespace

QLOOM_METHODS(qloom::sdk::Range<MeanNstd>)
