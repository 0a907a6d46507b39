// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <cmath>

#include <qloom/grid_errors.hpp>
#include <qloom/observed.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

constexpr std::size_t kCandidates = 4;

/// Of the four powers of two at and below the largest magnitude the end whose grid has the smallest
/// squared error on the data; of equals the larger one.
///
/// Pass 0 finds the extremes, pass 1 measures the errors of the affine grids of the four ranges
/// [-p, p], or [0, p] where the group has no negative value. For the exact zero of a two's
/// complement grid the upper end is its largest code. state:     lo, hi: extremes; choice: the end
/// that was found, per group exactness: values to the bit, errors in double in the order of
/// sum_groups()
class PowerOfTwoSweep {
 public:
  static constexpr std::uint32_t kPasses = 2;

  explicit PowerOfTwoSweep(const Params&) {}
  void begin(const qloom_range_context& context, std::uint32_t pass) {
    pass_ = pass;
    rule_ = AffineRule::of(context);
    if (pass == 0) {
      lo_.clear();
      hi_.clear();
      choice_.clear();
      return;
    }
    std::vector<GridErrors<kCandidates>::Grids> grids(lo_.size());
    for (std::size_t g = 0; g < grids.size(); ++g) {
      for (std::size_t k = 0; k < kCandidates; ++k) grids[g][k] = rule_.grid(range(g, end(g, k)));
    }
    errors_.begin(std::move(grids));
  }
  void observe(const qloom_tensor& x) {
    if (pass_ == 0) {
      extremes_.find(x);
      widen(lo_, hi_, extremes_.lo, extremes_.hi);
      return;
    }
    match_groups(lo_, x.groups, 0.0);
    errors_.add(x);
  }
  void end(std::uint32_t pass) {
    if (pass == 0) return;
    choice_.resize(lo_.size());
    for (std::size_t g = 0; g < choice_.size(); ++g) choice_[g] = end(g, errors_.best(g));
  }
  void ranges(std::span<qloom_range> out) const {
    write_ranges(out, lo_, hi_);
    if (choice_.size() != lo_.size()) throw Error(QLOOM_E_ORDER, "pass 1 has seen no tensor");
    for (std::size_t g = 0; g < out.size(); ++g) out[g] = range(g, choice_[g]);
  }
  template <class Archive>
  void state(Archive& a) {
    a("lo", lo_);
    a("hi", hi_);
    a("choice", choice_);
  }

 private:
  /// Candidate k: 0 the largest power of two that is at most the largest magnitude; 0 of zeros.
  [[nodiscard]] double end(std::size_t g, std::size_t k) const {
    const double largest = std::max(-lo_[g], hi_[g]);
    if (!(lo_[g] <= hi_[g]) || !(largest > 0)) return 0.0;
    return std::ldexp(1.0, std::ilogb(largest) - static_cast<int>(k));
  }
  [[nodiscard]] qloom_range range(std::size_t g, double end) const {
    return {lo_[g] < 0 ? -end : 0.0, hi_[g] > 0 || lo_[g] >= 0 ? end : 0.0};
  }

  std::uint32_t pass_ = 0;
  AffineRule rule_;
  Extremes extremes_;
  GridErrors<kCandidates> errors_;
  std::vector<double> lo_, hi_, choice_;
};

}  // namespace

QLOOM_METHODS(qloom::sdk::Range<PowerOfTwoSweep>)
