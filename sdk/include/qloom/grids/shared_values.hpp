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
/// importance where the manifest has it. A group has room for as many centroids as the first tensor
/// gave the group with the most, not for k.
/// backward:  dx = 0;  d c_j = sum, or mean, of dy over the elements of index j
/// encoding:  codebook of the centroids that elements have, and 0 where an element has index k
/// state:     index, one per element, and centroids, as many in each group: both from the first
///            tensor
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
      double* own = sums + (group - block.group_first) * room_;
      for (std::uint64_t i = begin; i < begin + count; ++i) {
        if (static_cast<std::size_t>(index[i]) < room_) own[index[i]] += dy[i];
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
    for (std::uint64_t j = 0; j < groups * room_; ++j) {
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
  /// At most k centroids, and for each value the number of its own, or zero_index().
  struct Shared {
    std::vector<double> centroids;
    std::vector<std::size_t> index;
  };

  /// Of the values of each index below count, each of which has some: their weighted mean; the
  /// plain one where their weights are 0. Others are left out. Sums in double, in the order of the
  /// values. One loop for all four: as counts of arrays (xt::bincount) they take ten times as long.
  [[nodiscard]] static std::vector<double> means_of(const Group& group,
                                                    const std::vector<std::size_t>& index,
                                                    std::size_t count) {
    std::vector<double> weights(count, 0.0), weighted(count, 0.0), plain(count, 0.0),
        members(count, 0.0);
    for (std::size_t i = 0; i < index.size(); ++i) {
      if (index[i] >= count) continue;
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
      : OwnSums(1),
        k_(static_cast<std::size_t>(params.integer("/centroids"))),
        keeps_zeros_(params.text("/zeros") == "keep"),
        is_mean_(params.text("/centroid_gradient") == "mean"),
        rate_factor_(params.number("/rate_factor")),
        importance_(params.has("/importance") ? params.text("/importance") : "ones") {}

  [[nodiscard]] std::size_t most_centroids() const noexcept { return k_; }
  /// Of values that are 0 and have no centroid.
  [[nodiscard]] std::size_t zero_index() const noexcept { return k_; }

  /// share(group number, group) -> Shared, once for each group of the first tensor.
  template <class Share>
  void share(const qloom_prepare& in, const Share& share) {
    if (index_.empty()) {
      if (in.x.data == nullptr) throw Error(QLOOM_E_ORDER, "the first tensor was not given");
      require_finite(in.x);
      std::vector<std::int32_t> index(in.x.n, static_cast<std::int32_t>(zero_index()));
      std::vector<std::vector<double>> centroids;
      for (std::uint64_t g = 0; g < in.x.groups; ++g) {
        const Group group = group_of(in, g);
        Shared found = share(g, group);
        for (std::size_t i = 0; i < group.places.size(); ++i) {
          index[group.places[i]] = static_cast<std::int32_t>(found.index[i]);
        }
        centroids.push_back(std::move(found.centroids));
      }
      index_ = std::move(index);
      keep(centroids);
    }
    count_members(in.x);
    fill_codebook(in.x.groups);
  }

 private:
  [[nodiscard]] std::int32_t code_of(std::int32_t index) const noexcept {
    return std::min(index, static_cast<std::int32_t>(used_));
  }

  /// As many for each group, at least one; those that a group has not are like its last.
  void keep(const std::vector<std::vector<double>>& centroids) {
    std::size_t most = 1;
    for (const auto& own : centroids) most = std::max(most, own.size());
    centroids_.clear();
    for (const auto& own : centroids) {
      for (std::size_t j = 0; j < most; ++j) {
        const double last = own.empty() ? 0.0 : own.back();
        centroids_.push_back(static_cast<float>(j < own.size() ? own[j] : last));
      }
    }
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
    for_each_of(in.x, group, [&](std::uint64_t i) {
      if (is_kept(in, i)) return;
      own.values.push_back(in.x.data[i]);
      own.places.push_back(i);
      if (importance == nullptr) return;
      const double h = importance_ == "adam" ? std::sqrt(double{importance[i]}) : importance[i];
      own.weights.push_back(h);
      sum += h;
    });
    if (!(sum > 0)) own.weights.clear();  // nothing counts: all count alike
    return own;
  }
  /// body(i) for the elements of a group, in their order.
  template <class Body>
  static void for_each_of(const qloom_tensor& x, std::uint64_t group, const Body& body) {
    for (std::uint64_t first = group * x.inner; first < x.n; first += x.groups * x.inner) {
      for (std::uint64_t i = first; i < std::min(first + x.inner, x.n); ++i) body(i);
    }
  }
  /// Stays 0, with a code of its own: a zero that is held, or any where nothing is.
  [[nodiscard]] bool is_kept(const qloom_prepare& in, std::uint64_t i) const noexcept {
    return keeps_zeros_ && in.x.data[i] == 0.0F && (in.held == nullptr || in.held[i] != 0);
  }

  /// Of each centroid; how many have any, and whether there are zeros.
  ///
  /// errors: state of another tensor, or indices that no centroid has
  void count_members(const qloom_tensor& x) {
    if (index_.size() != x.n || centroids_.empty() || centroids_.size() % x.groups != 0 ||
        centroids_.size() > x.groups * k_) {
      throw Error(QLOOM_E_STATE, concat("there are ", index_.size(), " indices and ",
                                        centroids_.size(), " centroids, expected ", x.n,
                                        " and 1 to ", k_, " for each of ", x.groups, " groups"));
    }
    room_ = centroids_.size() / x.groups;
    set_sums_per_group(room_);
    members_.assign(centroids_.size(), 0);
    used_ = 0;
    has_zero_ = false;
    for (std::uint64_t i = 0; i < x.n; ++i) {
      const auto index = static_cast<std::size_t>(index_[i]);
      if (index == zero_index()) {
        has_zero_ = true;
        continue;
      }
      if (index >= room_) {
        throw Error(QLOOM_E_STATE, concat("index ", i, " is ", index_[i], ", expected 0 to ",
                                          room_ - 1, ", or ", zero_index()));
      }
      ++members_[i / x.inner % x.groups * room_ + index];
      used_ = std::max(used_, index + 1);
    }
  }
  void fill_codebook(std::uint64_t groups) {
    size_ = std::max<std::size_t>(1, used_ + (has_zero_ ? 1 : 0));
    codebook_.assign(groups * size_, 0.0F);
    for (std::uint64_t g = 0; g < groups; ++g) {
      std::copy_n(centroids_.data() + g * room_, used_, codebook_.data() + g * size_);
    }
  }

  std::size_t k_;
  std::size_t room_ = 1;  // centroids of a group, of which there are at most k
  bool keeps_zeros_, is_mean_;
  double rate_factor_;
  std::string importance_;
  std::vector<std::int32_t> index_;     // per element
  std::vector<float> centroids_;        // groups x room
  std::vector<std::uint64_t> members_;  // groups x room
  std::size_t used_ = 0;                // numbers below it are those that elements have
  bool has_zero_ = false;
  std::size_t size_ = 1;         // of a group's codebook
  std::vector<float> codebook_;  // groups x size
};

}  // namespace qloom::sdk
