// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// ABC-Net (Lin, Zhao, Pan, 2017): weights as a sum of binary bases.
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include <qloom/grids/codebook.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

constexpr std::size_t kMost = 6;  // bases
using Row = std::array<double, kMost>;

/// b with a b = r, by elimination; a is symmetric and positive definite, of size m.
Row solved(std::array<Row, kMost> a, Row r, std::size_t m) {
  for (std::size_t k = 0; k < m; ++k) {
    for (std::size_t i = k + 1; i < m; ++i) {
      const double factor = a[i][k] / a[k][k];
      for (std::size_t j = k; j < m; ++j) a[i][j] -= factor * a[k][j];
      r[i] -= factor * r[k];
    }
  }
  for (std::size_t k = m; k-- > 0;) {
    for (std::size_t j = k + 1; j < m; ++j) r[k] -= a[k][j] * r[j];
    r[k] /= a[k][k];
  }
  return r;
}

/// Per group, from the whole tensor at every step, with its mean and (population) deviation:
///   u_i = -1 + 2 (i - 1) / (M - 1), 0 for M = 1;  B_i = sign(w - mean + u_i deviation)
///   alpha minimises sum (w - sum_i alpha_i B_i)^2;  y = sum_i alpha_i B_i
/// A base is the comparison of w with a threshold, so the squared error needs only the count and
/// the sum of the weights above each. Of a group of equal weights all bases are the sign.
/// backward:  alpha and thresholds are constants: dx = dy sum_i alpha_i, with ste hard_tanh zero
///            where |w| > 1
/// encoding:  bit i - 1 of a code says that B_i = +1; a codebook of 2^M values
/// exactness: in double; thresholds, values and the factor of the gradient are rounded once
class AbcWeight : public Codebook {
 public:
  static constexpr std::uint32_t kCaps = QLOOM_QUANTIZER_WANTS_TENSOR;

  explicit AbcWeight(const Params& params)
      : Codebook(static_cast<std::uint32_t>(params.integer("/bases")),
                 std::uint64_t{1} << params.integer("/bases")),
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
      if (counts[g] > 0) place_levels(g, counts[g], sums[g], above.data() + g * 2 * kMost);
    }
  }
  qloom_status encode(const qloom_call&, const qloom_block& block, const float* x,
                      std::int32_t* code) const noexcept {
    for_each_element(
        block, entry_of(threshold_),
        [=, mask = static_cast<std::int32_t>(size_ - 1)](const Thresholds& t, std::uint64_t i) {
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
    for_each_element(block, entry_of(factor_), [=, limit = limit_](float f, std::uint64_t i) {
      dx[i] = std::fabs(x[i]) <= limit ? f * dy[i] : 0.0F;
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
      for (std::uint32_t i = 0; i < bits_; ++i) {
        const double u = bits_ > 1 ? -1.0 + 2.0 * i / (bits_ - 1) : 0.0;
        threshold_[g][i] = deviation > 0 ? static_cast<float>(mean[g] - u * deviation) : 0.0F;
      }
    }
  }
  /// above: counts and sums of the weights above each threshold. Two bases differ where a weight
  /// lies between their thresholds. A ridge of 1e-8 decides between bases that are the same.
  void place_levels(std::size_t g, double count, double sum, const double* above) {
    constexpr double kRidge = 1e-8;
    std::array<Row, kMost> products{};  // of the bases with each other and with w, over count
    Row with_w{};
    for (std::size_t i = 0; i < bits_; ++i) {
      for (std::size_t j = 0; j < bits_; ++j) {
        products[i][j] = 1.0 - 2.0 * std::fabs(above[i] - above[j]) / count;
      }
      products[i][i] += kRidge;
      with_w[i] = (2.0 * above[kMost + i] - sum) / count;
    }
    const Row alpha = solved(products, with_w, bits_);
    for (std::uint64_t code = 0; code < size_; ++code) {
      double value = 0;
      for (std::size_t i = 0; i < bits_; ++i) value += (code >> i & 1U) != 0 ? alpha[i] : -alpha[i];
      levels(g)[code] = static_cast<float>(value);
      if (!std::isfinite(levels(g)[code])) {
        throw Error(QLOOM_E_NUMERIC, concat("group ", g, " has the value ", value,
                                            ", expected one within float32's range"));
      }
    }
    factor_[g] = levels(g)[size_ - 1];  // the sum of all alpha
  }

  float limit_;
  std::vector<Thresholds> threshold_;  // per group
  std::vector<float> factor_;          // sum of alpha per group
  std::vector<double> scratch_;
};

}  // namespace

QLOOM_METHODS(Quantizer<AbcWeight>)
