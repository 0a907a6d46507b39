// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Weight sharing of Deep Compression (Han, Mao, Dally, 2016): k-means once, then trained centroids.
#include <algorithm>
#include <bit>
#include <cmath>
#include <string>
#include <vector>

#include <qloom/grids/k_means.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

Start start_of(const std::string& word) {
  return word == "linear" ? Start::kLinear : word == "density" ? Start::kDensity : Start::kRandom;
}

/// y = centroid number index of the element's group; index k stands for 0.
/// backward:  dx = 0;  d c_j = sum, or mean, of dy over the elements of index j
/// encoding:  codebook of the k centroids, ascending at first, and 0 where an element has index k
/// state:     index, one per element, and centroids, k per group: both from the first tensor
class KmeansCodebook : public OwnSums {
 public:
  static constexpr std::uint32_t kCaps = QLOOM_QUANTIZER_WANTS_FIRST_TENSOR;

  explicit KmeansCodebook(const Params& params)
      : OwnSums(static_cast<std::uint64_t>(params.integer("/centroids"))),
        k_(static_cast<std::size_t>(params.integer("/centroids"))),
        start_(start_of(params.text("/initial"))),
        seed_(static_cast<std::uint64_t>(params.integer("/random_seed"))),
        max_iterations_(params.integer("/max_iterations")),
        keeps_zeros_(params.text("/zeros") == "keep"),
        is_mean_(params.text("/centroid_gradient") == "mean"),
        rate_factor_(params.number("/rate_factor")) {}

  void prepare(const qloom_prepare& in) {
    if (index_.empty()) cluster(in.x);
    count_members(in.x);
    const std::size_t groups = in.x.groups, size = k_ + (has_zero_ ? 1 : 0);
    codebook_.assign(groups * size, 0.0F);
    for (std::size_t g = 0; g < groups; ++g) {
      std::copy_n(centroids_.data() + g * k_, k_, codebook_.data() + g * size);
    }
    size_ = size;
  }

  void apply(const qloom_call&, const qloom_block& block, const float*, float* y) const noexcept {
    decode(block, index_.data() + block.first, y);
  }
  void encode(const qloom_call&, const qloom_block& block, const float*,
              std::int32_t* code) const noexcept {
    std::copy_n(index_.data() + block.first, block.n, code);
  }
  void decode(const qloom_block& block, const std::int32_t* code, float* y) const noexcept {
    for_each_run(block, [&](std::uint64_t begin, std::uint64_t count, std::uint64_t group) {
      const float* levels = codebook_.data() + size_ * group;
      for (std::uint64_t i = begin; i < begin + count; ++i) y[i] = levels[code[i]];
    });
  }
  void encoding(qloom_encoding& out) const {
    out.kind = QLOOM_ENCODING_CODEBOOK;
    out.bits = std::max(1U, static_cast<std::uint32_t>(std::bit_width(size_ - 1)));
    out.groups = codebook_.size() / size_;
    out.codebook = codebook_.data();
    out.codebook_size = size_;
  }

  void backward(const qloom_call&, const qloom_block& block, const float*, const float* dy,
                float* dx, double* sums) const noexcept {
    const std::int32_t* index = index_.data() + block.first;
    for_each_run(block, [&](std::uint64_t begin, std::uint64_t count, std::uint64_t group) {
      double* own = sums + (group - block.group_first) * k_;
      for (std::uint64_t i = begin; i < begin + count; ++i) {
        if (static_cast<std::size_t>(index[i]) < k_) own[index[i]] += dy[i];
      }
    });
    std::fill_n(dx, block.n, 0.0F);
  }
  bool learned(std::uint32_t number, qloom_learned& out) {
    if (number > 0) return false;
    out.name = "centroids";
    out.value = centroids_.data();
    out.count = centroids_.size();
    out.rate_factor = rate_factor_;
    return true;
  }
  void learned_gradients(const double* sums, std::uint64_t groups, float* const* gradients) {
    for (std::uint64_t j = 0; j < groups * k_; ++j) {
      const double members = is_mean_ && members_[j] > 0 ? static_cast<double>(members_[j]) : 1.0;
      gradients[0][j] = static_cast<float>(sums[j] / members);
    }
  }
  template <class Archive>
  void state(Archive& archive) {
    archive("index", index_);
    archive("centroids", centroids_);
  }

 private:
  void cluster(const qloom_tensor& x) {
    if (x.data == nullptr) throw Error(QLOOM_E_ORDER, "the first tensor was not given");
    require_finite(x);
    std::vector<Clusters> clusters;
    for (std::size_t g = 0; g < x.groups; ++g) {
      std::vector<float> values;
      for_each_in_group(x, g, [&](float v) {
        if (!is_kept(v)) values.push_back(v);
      });
      clusters.push_back(
          k_means(SortedGroup(std::move(values)), k_, start_, seed_, g, max_iterations_));
      for (const double c : clusters[g].centroids) centroids_.push_back(static_cast<float>(c));
    }
    for (std::uint64_t i = 0; i < x.n; ++i) {
      const Clusters& own = clusters[i / x.inner % x.groups];
      index_.push_back(static_cast<std::int32_t>(is_kept(x.data[i]) ? k_ : own.of(x.data[i])));
    }
  }
  [[nodiscard]] bool is_kept(float v) const noexcept { return keeps_zeros_ && v == 0.0F; }

  /// Of each centroid, and whether there are zeros.
  ///
  /// errors: state of another tensor, or indices that no centroid has
  void count_members(const qloom_tensor& x) {
    if (index_.size() != x.n || centroids_.size() != x.groups * k_) {
      throw Error(QLOOM_E_STATE,
                  concat("there are ", index_.size(), " indices and ", centroids_.size(),
                         " centroids, expected ", x.n, " and ", x.groups * k_));
    }
    members_.assign(centroids_.size(), 0);
    has_zero_ = false;
    for (std::uint64_t i = 0; i < x.n; ++i) {
      const auto index = static_cast<std::size_t>(index_[i]);
      if (index > k_) {
        throw Error(QLOOM_E_STATE, concat("index ", i, " is ", index_[i], ", expected 0 to ", k_));
      }
      if (index == k_) {
        has_zero_ = true;
      } else {
        ++members_[i / x.inner % x.groups * k_ + index];
      }
    }
  }

  std::size_t k_;
  Start start_;
  std::uint64_t seed_;
  std::int64_t max_iterations_;
  bool keeps_zeros_, is_mean_;
  double rate_factor_;
  std::vector<std::int32_t> index_;     // per element
  std::vector<float> centroids_;        // groups x k
  std::vector<std::uint64_t> members_;  // groups x k
  bool has_zero_ = false;
  std::size_t size_ = 1;         // of a group's codebook
  std::vector<float> codebook_;  // groups x size
};

}  // namespace

QLOOM_METHODS(Quantizer<KmeansCodebook>)
