// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// ABC-Net (Lin, Zhao, Pan, 2017): weights as a sum of binary bases.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include <qloom/grids/bases.hpp>
#include <qloom/math/linear.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

constexpr std::size_t kMost = 6;  // bases

/// Per group, from the whole tensor at every step, with its mean and (population) deviation:
///   u_i = -1 + 2 (i - 1) / (M - 1), 0 for M = 1;  B_i = sign(w - mean + u_i deviation)
///   alpha minimises sum (w - sum_i alpha_i B_i)^2;  y = sum_i alpha_i B_i
/// A base is the comparison of w with a threshold, so the squared error needs only the count and
/// the sum of the weights above each. Of a group of equal weights all bases are the sign. Where
/// bases are equal, alpha is the shortest of those with the least error: they share it. backward:
/// alpha and thresholds are constants: dx = dy sum_i alpha_i, with ste hard_tanh zero
///            where |w| > 1; the largest float32 where the product is beyond it and dy is not
/// encoding:  sum of bases; bit i - 1 of a code says that B_i = +1
/// exactness: in double; thresholds and alpha are rounded once, then the values
class AbcWeight : public Bases {
 public:
  static constexpr std::uint32_t kCaps = QLOOM_QUANTIZER_WANTS_TENSOR;

  explicit AbcWeight(const Params& params)
      : Bases(static_cast<std::uint32_t>(params.integer("/bases"))),
        limit_(params.text("/ste") == "hard_tanh" ? 1.0F : std::numeric_limits<float>::max()) {}

  void prepare(const qloom_prepare& in) {
    require_finite(in.x);
    const auto counts = reduce(in.x, QLOOM_REDUCE_COUNT), sums = reduce(in.x, QLOOM_REDUCE_SUM);
    place_thresholds(in.x, counts, sums);
    resize(in.x.groups);
    factor_.resize(in.x.groups);
    const auto above = sum_groups(  // counts, then sums of the weights above each threshold
        in.x, scratch_, entry_of(threshold_),
        [w = in.x.data](const Thresholds& t, std::uint64_t i) {
          std::array<float, 2 * kMost> terms{};
          for (std::size_t k = 0; k < kMost; ++k) {
            terms[k] = w[i] >= t[k] ? 1.0F : 0.0F;
            terms[kMost + k] = w[i] >= t[k] ? w[i] : 0.0F;
          }
          return terms;
        });
    for (std::size_t g = 0; g < factor_.size(); ++g) {
      if (counts[g] > 0) fit(g, counts[g], sums[g], above.data() + g * 2 * kMost);
    }
  }
  qloom_status encode(const qloom_call&, const qloom_block& block, const float* x,
                      std::int32_t* code) const noexcept {
    for_each_element(
        block, entry_of(threshold_),
        [=, mask = (std::int32_t{1} << count()) - 1](const Thresholds& t, std::uint64_t i) {
          std::int32_t bits = 0;
          for (std::size_t k = 0; k < kMost; ++k) bits |= (x[i] >= t[k] ? 1 : 0) << k;
          code[i] = bits & mask;  // infinity reaches the thresholds of no base too
        });
    return QLOOM_OK;
  }
  qloom_status apply(const qloom_call& call, const qloom_block& block, const float* x,
                     float* y) const noexcept {
    return apply_by_codes(*this, call, block, x, y);
  }
  void backward(const qloom_call&, const qloom_block& block, const float* x, const float* dy,
                float* dx, double*) const noexcept {
    constexpr float kLargest = std::numeric_limits<float>::max();
    for_each_element(block, entry_of(factor_), [=, limit = limit_](float f, std::uint64_t i) {
      const float product = f * dy[i];
      const float inside = std::min(std::max(product, -kLargest), kLargest);
      const float passed = std::fabs(dy[i]) <= kLargest ? inside : product;
      dx[i] = std::fabs(x[i]) <= limit ? passed : 0.0F;
    });
  }

 private:
  using Thresholds = std::array<float, kMost>;  // falling; those of no base are infinite

  void place_thresholds(const qloom_tensor& x, const std::vector<double>& counts,
                        const std::vector<double>& sums) {
    std::vector<double> mean(x.groups);
    for (std::size_t g = 0; g < mean.size(); ++g) mean[g] = sums[g] / counts[g];
    const auto squares = reduce(x, QLOOM_REDUCE_SQUARE_DEVIATION_SUM, mean.data());
    threshold_.resize(x.groups);
    for (std::size_t g = 0; g < mean.size(); ++g) {
      const double deviation = std::sqrt(squares[g] / counts[g]);
      threshold_[g].fill(std::numeric_limits<float>::infinity());
      for (std::uint32_t i = 0; i < count(); ++i) {
        const double u = count() > 1 ? -1.0 + 2.0 * i / (count() - 1) : 0.0;
        threshold_[g][i] = deviation > 0 ? static_cast<float>(mean[g] - u * deviation) : 0.0F;
      }
    }
  }
  /// above: counts and sums of the weights above each threshold. Two bases differ where a weight
  /// lies between their thresholds.
  void fit(std::size_t g, double count_of_weights, double sum, const double* above) {
    const std::size_t m = count();
    std::vector<double> products(m * m), with_w(m);  // of the bases with each other and with w
    for (std::size_t i = 0; i < m; ++i) {
      for (std::size_t j = 0; j < m; ++j) {
        products[i * m + j] = 1.0 - 2.0 * std::fabs(above[i] - above[j]) / count_of_weights;
      }
      with_w[i] = (2.0 * above[kMost + i] - sum) / count_of_weights;
    }
    set(g, linear::least_squares(m, m, products, with_w).x.data());
    factor_[g] = value(g, (std::uint64_t{1} << m) - 1);  // the sum of all alpha
  }

  float limit_;
  std::vector<Thresholds> threshold_;  // per group
  std::vector<float> factor_;          // sum of alpha per group
  std::vector<double> scratch_;
};

}  // namespace

QLOOM_METHODS(Quantizer<AbcWeight>)
