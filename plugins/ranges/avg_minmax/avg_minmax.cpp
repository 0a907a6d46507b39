// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>

#include <qloom/observed.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// Mean over pieces of a batch of their smallest and their largest value, then over the batches of
/// a round. The pieces are the samples (the first axis), or `pieces` runs of samples that differ by
/// one sample at most; fewer samples are pieces of their own. Where groups are runs of elements
/// ({"group": k}) that do not repeat from sample to sample, a batch is one piece.
///
/// state:     lo, hi: sums of the batches' means; batches: how many had a finite value
/// exactness: in double, pieces and batches in their order
class AvgMinmax {
 public:
  explicit AvgMinmax(const Params& params)
      : pieces_(static_cast<std::uint64_t>(params.number_or("/pieces", 0))) {}
  void begin(const qloom_range_context&, std::uint32_t) {
    for (auto* sums : {&lo_, &hi_, &batches_}) sums->clear();
  }
  void observe(const qloom_tensor& x) {
    for (auto* sums : {&lo_, &hi_, &batches_}) match_groups(*sums, x.groups, 0.0);
    const std::uint64_t samples = x.rank > 0 ? static_cast<std::uint64_t>(x.shape[0]) : 1;
    const std::uint64_t pieces = has_samples(x, samples) ? wanted(samples) : 1;
    std::vector<double> lo(x.groups), hi(x.groups), count(x.groups);
    for (std::uint64_t i = 0; i < pieces; ++i) {
      const std::uint64_t begin = i * samples / pieces, end = (i + 1) * samples / pieces;
      const qloom_tensor piece = samples_of(x, begin, end, samples);
      extremes_.find(piece);
      for (std::size_t g = 0; g < x.groups; ++g) {
        if (extremes_.lo[g] > extremes_.hi[g]) continue;  // no finite value
        lo[g] += extremes_.lo[g];
        hi[g] += extremes_.hi[g];
        count[g] += 1;
      }
    }
    for (std::size_t g = 0; g < x.groups; ++g) {
      if (count[g] == 0) continue;
      lo_[g] += lo[g] / count[g];
      hi_[g] += hi[g] / count[g];
      batches_[g] += 1;
    }
  }
  void ranges(std::span<qloom_range> out) const {
    std::vector<double> lo(lo_), hi(hi_);
    for (std::size_t g = 0; g < lo.size(); ++g) {
      lo[g] = batches_[g] > 0 ? lo_[g] / batches_[g] : 1.0;
      hi[g] = batches_[g] > 0 ? hi_[g] / batches_[g] : -1.0;
    }
    write_ranges(out, lo, hi);
  }
  template <class Archive>
  void state(Archive& a) {
    a("lo", lo_);
    a("hi", hi_);
    a("batches", batches_);
    require_equal_sizes(lo_, hi_, batches_);
  }

 private:
  [[nodiscard]] std::uint64_t wanted(std::uint64_t samples) const {
    return pieces_ == 0 ? samples : std::min(pieces_, samples);
  }
  /// Are all groups in every sample?
  static bool has_samples(const qloom_tensor& x, std::uint64_t samples) {
    return x.groups == 1 || x.n / samples % (x.groups * x.inner) == 0;
  }
  /// Samples begin .. end - 1 of x, with its groups.
  static qloom_tensor samples_of(const qloom_tensor& x, std::uint64_t begin, std::uint64_t end,
                                 std::uint64_t samples) {
    if (end - begin == samples) return x;
    const std::uint64_t size = x.n / samples;
    qloom_tensor piece = x;
    piece.data = x.data + begin * size;
    piece.n = (end - begin) * size;
    piece.outer = x.groups == 1 ? 1 : piece.n / (x.groups * x.inner);
    piece.inner = x.groups == 1 ? piece.n : x.inner;
    return piece;
  }

  std::uint64_t pieces_;  // 0: the samples
  Extremes extremes_;
  std::vector<double> lo_, hi_, batches_;
};

}  // namespace

QLOOM_METHODS(qloom::sdk::Range<AvgMinmax>)
