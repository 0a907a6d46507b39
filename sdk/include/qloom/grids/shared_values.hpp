// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Weight sharing: which value an element shares is found once and stays; the values are trained.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <qloom/kinds/quantizer.hpp>

namespace qloom::sdk {

/// y = centroid number index of the element's group; index k stands for 0.
///
/// A derived class finds centroids and indices of one group in prepare(), through share(); the
/// rest comes from here. Parameters: centroids, zeros, centroid_gradient, rate_factor, and
/// importance where the manifest has it. backward:  dx = 0;  d c_j = sum, or mean, of dy over the
/// elements of index j encoding:  codebook of the centroids that elements have, and 0 where an
/// element has index k state:     index, one per element, and centroids, k per group: both from the
/// first tensor
class SharedValues : public OwnSums {
 public:
  static constexpr std::uint32_t kCaps = QLOOM_QUANTIZER_WANTS_FIRST_TENSOR;

  void apply(const qloom_call&, const qloom_block& block, const float*, float* y) const noexcept {
    for_each_run(block, [&](std::uint64_t begin, std::uint64_t count, std::uint64_t group) {
      const float* levels = codebook_.data() + size_ * group;
      const std::int32_t* index = index_.data() + block.first;
      for (std::uint64_t i = begin; i < begin + count; ++i) y[i] = levels[code_of(index[i])];
    });
  }
  void encode(const qloom_call&, const qloom_block& block, const float*,
              std::int32_t* code) const noexcept {
    const std::int32_t* index = index_.data() + block.first;
    for (std::uint64_t i = 0; i < block.n; ++i) code[i] = code_of(index[i]);
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

 protected:
  /// A group's values, in their order, and how much the square of each one's error counts; no
  /// weights: all alike.
  struct Group {
    std::vector<float> values;
    std::vector<double> weights;
    std::vector<std::uint64_t> places;
    [[nodiscard]] double weight(std::size_t i) const { return weights.empty() ? 1.0 : weights[i]; }
  };
  /// At most k centroids, and for each value the number of its own.
  struct Shared {
    std::vector<double> centroids;
    std::vector<std::size_t> index;
  };

  /// Of the values of each index below count, each of which has some: their weighted mean; the
  /// plain one where their weights are 0. Sums in double, in the order of the values. One loop for
  /// all four: as counts of arrays (xt::bincount) they take ten times as long.
  [[nodiscard]] static std::vector<double> means_of(const Group& group,
                                                    const std::vector<std::size_t>& index,
                                                    std::size_t count) {
    std::vector<double> weights(count, 0.0), weighted(count, 0.0), plain(count, 0.0),
        members(count, 0.0);
    for (std::size_t i = 0; i < index.size(); ++i) {
      const double v = group.values[i], h = group.weight(i);
      weights[index[i]] += h;
      weighted[index[i]] += h * v;
      plain[index[i]] += v;
      members[index[i]] += 1.0;
    }
    std::vector<double> means(count);
    for (std::size_t j = 0; j < count; ++j) {
      means[j] = weights[j] > 0 ? weighted[j] / weights[j] : plain[j] / members[j];
    }
    return means;
  }

  explicit SharedValues(const Params& params)
      : OwnSums(static_cast<std::uint64_t>(params.integer("/centroids"))),
        k_(static_cast<std::size_t>(params.integer("/centroids"))),
        keeps_zeros_(params.text("/zeros") == "keep"),
        is_mean_(params.text("/centroid_gradient") == "mean"),
        rate_factor_(params.number("/rate_factor")),
        importance_(params.has("/importance") ? params.text("/importance") : "ones") {}

  [[nodiscard]] std::size_t most_centroids() const noexcept { return k_; }

  /// share(group number, group) -> Shared, once for each group of the first tensor.
  template <class Share>
  void share(const qloom_prepare& in, const Share& share) {
    if (index_.empty()) {
      if (in.x.data == nullptr) throw Error(QLOOM_E_ORDER, "the first tensor was not given");
      require_finite(in.x);
      std::vector<std::int32_t> index(in.x.n, static_cast<std::int32_t>(k_));
      std::vector<float> centroids;
      for (std::uint64_t g = 0; g < in.x.groups; ++g) {
        const Group group = group_of(in, g);
        const Shared found = share(g, group);
        for (std::size_t j = 0; j < k_; ++j) {
          const double last = found.centroids.empty() ? 0.0 : found.centroids.back();
          centroids.push_back(
              static_cast<float>(j < found.centroids.size() ? found.centroids[j] : last));
        }
        for (std::size_t i = 0; i < group.places.size(); ++i) {
          index[group.places[i]] = static_cast<std::int32_t>(found.index[i]);
        }
      }
      index_ = std::move(index);
      centroids_ = std::move(centroids);
    }
    count_members(in.x);
    fill_codebook(in.x.groups);
  }

 private:
  [[nodiscard]] std::int32_t code_of(std::int32_t index) const noexcept {
    return std::min(index, static_cast<std::int32_t>(used_));
  }

  /// The importance that was asked for; null: all elements count alike.
  [[nodiscard]] const float* importance_of(const qloom_prepare& in) const {
    if (importance_ == "ones") return nullptr;
    const float* const found = importance_ == "adam" ? in.second_moment : in.importance;
    if (found != nullptr) return found;
    throw Error(QLOOM_E_INVALID,
                importance_ == "adam"
                    ? "importance adam: the tensor has no second moment; expected a train stage "
                      "with the optimizer adam before"
                    : "importance given: no procedure has given any");
  }
  [[nodiscard]] Group group_of(const qloom_prepare& in, std::uint64_t group) const {
    const float* const importance = importance_of(in);
    Group own;
    double sum = 0;
    for (std::uint64_t i = 0; i < in.x.n; ++i) {
      const float v = in.x.data[i];
      if (i / in.x.inner % in.x.groups != group || is_kept(in, i)) continue;
      own.values.push_back(v);
      own.places.push_back(i);
      if (importance == nullptr) continue;
      const double h = importance_ == "adam" ? std::sqrt(double{importance[i]}) : importance[i];
      own.weights.push_back(h);
      sum += h;
    }
    if (!(sum > 0)) own.weights.clear();  // nothing counts: all count alike
    return own;
  }
  /// Stays 0, with a code of its own: a zero that is held, or any where nothing is.
  [[nodiscard]] bool is_kept(const qloom_prepare& in, std::uint64_t i) const noexcept {
    return keeps_zeros_ && in.x.data[i] == 0.0F && (in.held == nullptr || in.held[i] != 0);
  }

  /// Of each centroid; how many have any, and whether there are zeros.
  ///
  /// errors: state of another tensor, or indices that no centroid has
  void count_members(const qloom_tensor& x) {
    if (index_.size() != x.n || centroids_.size() != x.groups * k_) {
      throw Error(QLOOM_E_STATE,
                  concat("there are ", index_.size(), " indices and ", centroids_.size(),
                         " centroids, expected ", x.n, " and ", x.groups * k_));
    }
    members_.assign(centroids_.size(), 0);
    used_ = 0;
    has_zero_ = false;
    for (std::uint64_t i = 0; i < x.n; ++i) {
      const auto index = static_cast<std::size_t>(index_[i]);
      if (index > k_) {
        throw Error(QLOOM_E_STATE, concat("index ", i, " is ", index_[i], ", expected 0 to ", k_));
      }
      if (index == k_) {
        has_zero_ = true;
        continue;
      }
      ++members_[i / x.inner % x.groups * k_ + index];
      used_ = std::max(used_, index + 1);
    }
  }
  void fill_codebook(std::uint64_t groups) {
    size_ = std::max<std::size_t>(1, used_ + (has_zero_ ? 1 : 0));
    codebook_.assign(groups * size_, 0.0F);
    for (std::uint64_t g = 0; g < groups; ++g) {
      std::copy_n(centroids_.data() + g * k_, used_, codebook_.data() + g * size_);
    }
  }

  std::size_t k_;
  bool keeps_zeros_, is_mean_;
  double rate_factor_;
  std::string importance_;
  std::vector<std::int32_t> index_;     // per element
  std::vector<float> centroids_;        // groups x k
  std::vector<std::uint64_t> members_;  // groups x k
  std::size_t used_ = 0;                // numbers below it are those that elements have
  bool has_zero_ = false;
  std::size_t size_ = 1;         // of a group's codebook
  std::vector<float> codebook_;  // groups x size
};

}  // namespace qloom::sdk
