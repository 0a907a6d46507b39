// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "divergence.hpp"

#include <algorithm>

#include <qloom/observed.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// The clipping value whose quantized histogram of magnitudes is nearest in entropy: of the bins'
/// right edges from `first_bin` on the one of the smallest divergence, the last of equals. The
/// first bin, which holds the zeros, takes the count of the second.
///
/// Pass 0 finds the extremes, pass 1 counts |x| in `bins` equal bins from 0 to the largest
/// magnitude. Levels: half of the codes where the grid has negative ones, else all. state:     lo,
/// hi, counts: per group; levels exactness: counts are exact, divergences in double, bins ascending
class KlEntropy {
 public:
  static constexpr std::uint32_t kPasses = 2;

  explicit KlEntropy(const Params& params)
      : bins_(static_cast<std::size_t>(params.integer("/bins"))),
        first_bin_(static_cast<std::size_t>(params.integer("/first_bin"))),
        stride_(static_cast<std::size_t>(params.integer("/stride"))),
        smoothing_(params.number("/smoothing")) {}
  void begin(const qloom_range_context& context, std::uint32_t pass) {
    pass_ = pass;
    if (pass == 0) {
      lo_.clear();
      hi_.clear();
    }
    counts_.clear();
    found_.clear();
    const bool is_half = context.after_relu != 0 || context.is_signed == 0;
    levels_ = std::max<std::uint64_t>(context.levels, 2) / (is_half ? 1 : 2);
    has_negatives_ = context.is_signed != 0 && context.after_relu == 0;
  }
  void observe(const qloom_tensor& x) {
    if (pass_ == 0) {
      extremes_.find(x);
      return widen(lo_, hi_, extremes_.lo, extremes_.hi);
    }
    match_groups(lo_, x.groups, 0.0);
    match_groups<std::uint64_t>(counts_, x.groups * bins_, 0);
    std::vector<double> zero(x.groups, 0.0), top(x.groups);
    for (std::size_t g = 0; g < x.groups; ++g) top[g] = largest(g) > 0 ? largest(g) : 1.0;
    extremes_.find(x);
    const Finite finite(x, extremes_, std::numeric_limits<float>::quiet_NaN());
    std::vector<std::uint64_t> counts(counts_.size());
    kernels().histogram(&finite.tensor(), zero.data(), top.data(), bins_, 1, counts.data());
    for (std::size_t i = 0; i < counts.size(); ++i) counts_[i] += counts[i];
  }
  void end(std::uint32_t pass) {
    if (pass == 0) return;
    found_.assign(lo_.size(), 0.0);
    if (counts_.size() != lo_.size() * bins_) return;  // no tensor in pass 1
    for_each(lo_.size(), [this](std::uint64_t g) noexcept { found_[g] = clipping_value(g); });
  }
  void ranges(std::span<qloom_range> out) const {
    write_ranges(out, lo_, hi_);
    if (found_.size() != lo_.size()) throw Error(QLOOM_E_ORDER, "pass 1 has not ended");
    for (std::size_t g = 0; g < out.size(); ++g) {
      out[g] = {has_negatives_ || lo_[g] < 0 ? -found_[g] : 0.0, found_[g]};
    }
  }
  template <class Archive>
  void state(Archive& a) {
    a("lo", lo_);
    a("hi", hi_);
    a("found", found_);
    std::uint8_t has_negatives = has_negatives_;
    a("has_negatives", has_negatives);
    has_negatives_ = has_negatives != 0;
  }

 private:
  [[nodiscard]] double largest(std::size_t g) const {
    return lo_[g] <= hi_[g] ? std::max(-lo_[g], hi_[g]) : 0.0;
  }
  [[nodiscard]] double clipping_value(std::size_t g) const noexcept {
    std::vector<double> counts(counts_.begin() + static_cast<std::ptrdiff_t>(g * bins_),
                               counts_.begin() + static_cast<std::ptrdiff_t>((g + 1) * bins_));
    counts[0] = counts[1];
    const qloom::plugins::kl_entropy::Divergence divergence(counts, levels_, smoothing_);
    double least = std::numeric_limits<double>::infinity();
    std::size_t best = bins_;
    for (std::size_t i = std::min(first_bin_, bins_); i <= bins_; i += stride_) {
      if (!divergence.has_counts(i)) continue;  // nothing to compare
      const double d = divergence.of(i);
      if (d > least) continue;
      least = d;
      best = i;
    }
    return largest(g) * static_cast<double>(best) / static_cast<double>(bins_);
  }

  std::size_t bins_, first_bin_, stride_;
  double smoothing_;
  std::uint32_t pass_ = 0;
  std::uint64_t levels_ = 128;
  bool has_negatives_ = true;
  Extremes extremes_;
  std::vector<double> lo_, hi_, found_;
  std::vector<std::uint64_t> counts_;
};

}  // namespace

QLOOM_METHODS(qloom::sdk::Range<KlEntropy>)
