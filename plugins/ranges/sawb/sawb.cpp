// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <array>
#include <cmath>

#include <qloom/observed.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// c1 and c2 of the published code, one pair per width: even grids have no zero, odd ones do.
struct Fit {
  std::uint32_t bits;
  bool is_odd;
  double c1, c2;
};
constexpr std::array<Fit, 9> kFits{{{2, false, 3.12, -2.064},
                                    {3, false, 7.509, -6.892},
                                    {4, false, 12.68, -12.80},
                                    {5, false, 17.74, -18.64},
                                    {8, false, 31.76, -35.04},
                                    {2, true, 2.6, -1.71},
                                    {4, true, 12.035, -12.03},
                                    {7, true, 28.24, -30.81},
                                    {8, true, 31.76, -35.04}}};

/// a = c1 sqrt(E[w^2]) + c2 E[|w|], range [-a, a]: a straight line through the best clipping values
/// of six distributions. Where a is not positive (values of nearly one magnitude) max |w| stands
/// for it.
///
/// state:     sums (squares, magnitudes, number) and largest, per group; c1, c2
/// exactness: sums in double, in a fixed order
/// errors:    QLOOM_E_INVALID for a width without published coefficients
class Sawb {
 public:
  explicit Sawb(const Params& params) : levels_(params.text("/levels")) {
    if (!params.has("/coefficients")) return;
    has_own_ = true;
    c1_ = params.number("/coefficients/0");
    c2_ = params.number("/coefficients/1");
  }
  void begin(const qloom_range_context& context, std::uint32_t) {
    if (!has_own_) choose(context);
    sums_.clear();
    largest_.clear();
  }
  void observe(const qloom_tensor& x) {
    extremes_.find(x);
    match_groups(largest_, x.groups, -1.0);
    for (std::size_t g = 0; g < x.groups; ++g) {
      if (extremes_.lo[g] > extremes_.hi[g]) continue;  // no finite value
      largest_[g] = std::max({largest_[g], -extremes_.lo[g], extremes_.hi[g]});
    }
    const auto none = [](std::uint64_t) { return 0; };
    add_finite(sums_, x, scratch_, none, [](int, double v) {
      return std::array{v * v, std::fabs(v), 1.0};
    });
  }
  void ranges(std::span<qloom_range> out) const {
    std::vector<double> lo(largest_.size(), 1.0), hi(largest_.size(), -1.0);
    for (std::size_t g = 0; g < lo.size(); ++g) {
      if (largest_[g] < 0) continue;
      const double n = sums_[3 * g + 2];
      const double a = c1_ * std::sqrt(sums_[3 * g] / n) + c2_ * sums_[3 * g + 1] / n;
      hi[g] = a > 0 ? a : largest_[g];
      lo[g] = -hi[g];
    }
    write_ranges(out, lo, hi);
  }
  template <class Archive>
  void state(Archive& a) {
    a("sums", sums_);
    a("largest", largest_);
    require_terms(sums_, 3, largest_.size());
    a("c1", c1_);
    a("c2", c2_);
  }

 private:
  void choose(const qloom_range_context& context) {
    const bool is_odd = levels_ == "auto" ? context.levels % 2 == 1 : levels_ == "odd";
    for (const Fit& fit : kFits) {
      if (fit.bits != context.bits || fit.is_odd != is_odd) continue;
      c1_ = fit.c1;
      c2_ = fit.c2;
      return;
    }
    throw Error(QLOOM_E_INVALID, concat("no coefficients are published for ", context.bits,
                                        " bits on an ", is_odd ? "odd" : "even", " grid, only for ",
                                        is_odd ? "2, 4, 7 and 8" : "2, 3, 4, 5 and 8",
                                        "; \"coefficients\" takes others"));
  }

  std::string levels_;
  bool has_own_ = false;
  double c1_ = 0, c2_ = 0;
  Extremes extremes_;
  std::vector<double> sums_, largest_, scratch_;
};

}  // namespace

QLOOM_METHODS(qloom::sdk::Range<Sawb>)
