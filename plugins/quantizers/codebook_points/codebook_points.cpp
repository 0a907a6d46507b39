// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Differentiable quantization (Polino, Pascanu, Alistarh, 2018): the points of a codebook are
// trained.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <qloom/grids/levels.hpp>
#include <qloom/learned_values.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// Per group lo = min and a = max - min, at every step; levels lo + a p_j in ascending order.
/// backward:  dx = dy;  d p_j = sum over the groups of a * dy where the code is j
/// state:     points, k of them, from the first tensor
class CodebookPoints : public Levels, public OwnSums {
 public:
  static constexpr std::uint32_t kCaps =
      QLOOM_QUANTIZER_WANTS_EXTREMES | QLOOM_QUANTIZER_WANTS_FIRST_TENSOR;

  explicit CodebookPoints(const Params& params)
      : OwnSums(static_cast<std::uint64_t>(params.integer("/points"))),
        count_(static_cast<std::size_t>(params.integer("/points"))),
        starts_at_quantiles_(params.text("/initial") == "quantiles"),
        rate_factor_(params.number("/rate_factor")) {}

  void prepare(const qloom_prepare& in) {
    const std::size_t groups = in.x.groups;
    low_.resize(groups);
    width_.resize(groups);
    for (std::size_t g = 0; g < groups; ++g) {
      const auto [lo, hi] = in.ranges[g];
      low_[g] = lo <= hi ? lo : 0.0;
      width_[g] = hi - lo >= 1e-10 ? hi - lo : 1.0;
    }
    if (points_.empty()) initialise(in.x);
    if (points_.size() != count_) {
      throw Error(QLOOM_E_STATE,
                  concat("there are ", points_.size(), " points, expected ", count_));
    }
    begin(groups, count_);
    for (std::size_t g = 0; g < groups; ++g) {
      const auto at = [&, g](double p) { return low_[g] + width_[g] * p; };
      for (std::size_t j = 0; j < count_; ++j) levels(g)[j] = static_cast<float>(at(points_[j]));
      for (std::size_t j = 1; j < count_; ++j) {
        thresholds(g)[j - 1] = below_all_from(at((double{points_[j - 1]} + points_[j]) / 2.0));
      }
    }
  }
  qloom_status backward(const qloom_call& call, const qloom_block& block, const float* x,
                        const float* dy, float* dx, double* sums) const noexcept {
    for_each_piece(block, [&](const qloom_block& piece, std::uint64_t first) {
      std::int32_t code[kPieceElements];
      encode(call, piece, x + first, code);
      for_each_run(piece, [&](std::uint64_t begin, std::uint64_t n, std::uint64_t group) {
        double* own = sums + (group - block.group_first) * count_;
        for (std::uint64_t i = begin; i < begin + n; ++i) {
          own[code[i]] += width_[group] * double{dy[first + i]};
        }
      });
    });
    pass_through(dy, dx, block.n);
    return QLOOM_OK;
  }

  bool learned(std::uint32_t index, qloom_learned& out) {
    if (index > 0) return false;
    out.name = "points";
    out.value = points_.data();
    out.count = points_.size();
    out.rate_factor = rate_factor_;
    return true;
  }
  void learned_gradients(const double* sums, std::uint64_t groups, float* const* gradients) {
    for (std::size_t j = 0; j < count_; ++j) {
      double sum = 0;
      for (std::uint64_t g = 0; g < groups; ++g) sum += sums[g * count_ + j];
      gradients[0][j] = static_cast<float>(sum);
    }
  }
  void after_update() {
    for (const float p : points_) {
      if (!std::isfinite(p)) {
        throw Error(QLOOM_E_NUMERIC, concat("a point is ", p, ", expected a finite value"));
      }
    }
    std::sort(points_.begin(), points_.end());
  }
  template <class Archive>
  void state(Archive& archive) {
    archive("points", points_);
  }

 private:
  void initialise(const qloom_tensor& x) {
    require_first_tensor(x);
    std::vector<float> all(starts_at_quantiles_ ? x.n : 0);
    for (std::uint64_t i = 0; i < all.size(); ++i) {
      const std::uint64_t g = i / x.inner % x.groups;
      all[i] = static_cast<float>((double{x.data[i]} - low_[g]) / width_[g]);
    }
    std::sort(all.begin(), all.end());
    points_.resize(count_);
    for (std::size_t j = 0; j < count_; ++j) {
      const double share = static_cast<double>(j) / static_cast<double>(count_ - 1);
      points_[j] = static_cast<float>(all.empty() ? share : quantile(all, share));
    }
  }
  /// Linear between the two nearest of the sorted values.
  [[nodiscard]] static double quantile(const std::vector<float>& sorted, double share) {
    const double place = share * static_cast<double>(sorted.size() - 1);
    const auto below = static_cast<std::size_t>(place);
    const std::size_t above = std::min(below + 1, sorted.size() - 1);
    const double part = place - static_cast<double>(below);
    return sorted[below] + part * (double{sorted[above]} - sorted[below]);
  }

  std::size_t count_;
  bool starts_at_quantiles_;
  double rate_factor_;
  std::vector<float> points_;
  std::vector<double> low_, width_;  // lo and a per group
};

}  // namespace

QLOOM_METHODS(Quantizer<CodebookPoints>)
