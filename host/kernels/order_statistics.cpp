// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/kernels/order_statistics.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <limits>
#include <memory>
#include <numeric>
#include <vector>

#include "host/kernels/reference/reduce.hpp"
#include "host/tensor/parallel.hpp"

namespace qloom::kernels {
namespace {

constexpr float kLargest = std::numeric_limits<float>::max();

/// Places of a group's elements, counted from its first one.
class Places {
 public:
  Places(const qloom_tensor& t, std::uint64_t group)
      : t_(t), group_(group), size_(group_size(t, group)) {}
  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] float at(std::uint64_t i) const {
    return t_.data[(i / t_.inner * t_.groups + group_) * t_.inner + i % t_.inner];
  }

 private:
  const qloom_tensor& t_;
  std::uint64_t group_, size_;
};

/// One call's order statistics.
class Statistics {
 public:
  Statistics(const Core& core, const qloom_tensor& t, bool abs, const std::uint64_t* rank,
             std::uint64_t count, double* out)
      : core_(core), t_(t), abs_(abs), rank_(rank), count_(count), out_(out) {}

  void find() {
    constexpr std::uint64_t kFewest = 4096;  // values in a group that a sample is worth it for
    const std::uint64_t n = t_.n / t_.groups;
    if (n < kFewest || count_ > kMostWindows) return look_at_all(0, t_.groups);
    windows_.resize(t_.groups * count_);
    room_ = std::min(
        n, count_ * n / sample_size(n) *
               static_cast<std::uint64_t>(4.0 * margin(0.5, static_cast<double>(sample_size(n)))));
    inside_ = std::make_unique_for_overwrite<float[]>(t_.groups * room_);
    insides_ = std::vector<std::atomic<std::uint64_t>>(t_.groups);
    for_each(t_.groups, [&](std::uint64_t g) { set_windows(g); });
    if (t_.inner == 1 && t_.groups > 1)
      count_columns();
    else
      count_runs();
    std::vector<std::uint8_t> is_open(t_.groups);
    for_each(t_.groups, [&](std::uint64_t g) { is_open[g] = select(g) ? 0 : 1; });
    for (std::uint64_t g = 0; g < t_.groups; ++g) {
      if (is_open[g] != 0) look_at_all(g, g + 1);
    }
  }

 private:
  static constexpr std::uint64_t kPiece = 1024;  // elements counted together

  [[nodiscard]] float key(float x) const { return abs_ ? std::fabs(x) : x; }

  /// Groups first .. last - 1, each from all of its values.
  void look_at_all(std::uint64_t first, std::uint64_t last) {
    for_each(last - first, [&](std::uint64_t i) {
      const Places group(t_, first + i);
      thread_local std::vector<float> values;
      values.clear();
      for (std::uint64_t e = 0; e < group.size(); ++e) {
        const float x = group.at(e);
        if (std::isfinite(x)) values.push_back(key(x));
      }
      const std::uint64_t* const rank = rank_ + (first + i) * count_;
      std::vector<std::uint64_t> order(count_);
      std::iota(order.begin(), order.end(), std::uint64_t{0});
      std::sort(order.begin(), order.end(),
                [&](std::uint64_t a, std::uint64_t b) { return rank[a] < rank[b]; });
      auto begin = values.begin();  // what lies before has been put in its place
      for (const std::uint64_t j : order) {
        double& out = out_[(first + i) * count_ + j];
        out = std::numeric_limits<double>::quiet_NaN();
        if (rank[j] >= values.size()) continue;
        const auto at = values.begin() + static_cast<std::ptrdiff_t>(rank[j]);
        if (at >= begin) std::nth_element(begin, at, values.end());
        begin = std::max(begin, at);
        out = *at + 0.0;
      }
    });
  }

  /// Where to look for value i of a sample: somewhere in the i-th of equal parts, so that it keeps
  /// no step with the tensor's structure.
  static std::uint64_t place(std::uint64_t i, std::uint64_t sampled, std::uint64_t n) {
    const auto word = static_cast<std::uint32_t>((i * 0x9E3779B97F4A7C15U) >> 32U);
    const double part = static_cast<double>(n) / static_cast<double>(sampled);
    const auto at = static_cast<std::uint64_t>((static_cast<double>(i) + word * 0x1p-32) * part);
    return std::min(at, n - 1);
  }
  static std::uint64_t sample_size(std::uint64_t n) {
    return static_cast<std::uint64_t>(8.0 * std::sqrt(static_cast<double>(n)));
  }
  /// Ranks that a window reaches to either side: four standard deviations in a sample of n, of
  /// which a share lies below.
  static double margin(double share, double n) {
    return 4.0 * std::sqrt(share * (1.0 - share) * n) + 4.0;
  }
  void set_windows(std::uint64_t g) {
    const Places group(t_, g);
    const std::uint64_t sampled = sample_size(group.size());
    thread_local std::vector<float> sample;
    sample.clear();
    for (std::uint64_t i = 0; i < sampled; ++i) {
      const float x = group.at(place(i, sampled, group.size()));
      if (std::isfinite(x)) sample.push_back(key(x));
    }
    const auto most = static_cast<double>(sample.size());
    for (std::uint64_t j = g * count_; j < (g + 1) * count_; ++j) {
      // what is not finite is missing in the sample as in the group
      const double part = static_cast<double>(sampled) / static_cast<double>(group.size());
      const double at = std::min((static_cast<double>(rank_[j]) + 0.5) * part, most);
      const double reach = margin(at / std::max(most, 1.0), most);
      windows_[j].low = order_statistic(sample, at - reach);
      windows_[j].high = order_statistic(sample, at + reach);
    }
  }
  /// Number `rank` of the values; an end of float32 where there is none.
  static float order_statistic(std::vector<float>& values, double rank) {
    if (rank < 0.0) return -kLargest;
    if (!(rank < static_cast<double>(values.size()))) return kLargest;
    const auto at = values.begin() + static_cast<std::ptrdiff_t>(rank);
    std::nth_element(values.begin(), at, values.end());
    return *at;
  }

  /// n values of group g, of which there may be at most kPiece.
  void count(std::uint64_t g, const float* x, std::uint64_t n, RankWindow* counts) {
    std::array<float, kPiece> found;
    const std::uint64_t hits = core_.count_windows(x, n, abs_, counts, count_, found.data());
    if (hits == 0) return;
    const std::uint64_t at = insides_[g].fetch_add(hits, std::memory_order_relaxed);
    if (at + hits <= room_) std::copy_n(found.data(), hits, inside_.get() + g * room_ + at);
  }
  /// Adds the counts that one task found of group g.
  void add(std::uint64_t g, const RankWindow* counts) {
    for (std::uint64_t j = 0; j < count_; ++j) {
      RankWindow& to = windows_[g * count_ + j];
      const auto more = [](std::uint64_t& total, std::uint64_t n) {
        std::atomic_ref(total).fetch_add(n, std::memory_order_relaxed);
      };
      more(to.below, counts[j].below);
      more(to.to_low, counts[j].to_low);
      more(to.to_high, counts[j].to_high);
    }
  }
  /// The windows of group g with counts of their own.
  [[nodiscard]] std::array<RankWindow, kMostWindows> empty_windows(std::uint64_t g) const {
    std::array<RankWindow, kMostWindows> own{};
    for (std::uint64_t j = 0; j < count_; ++j) {
      own[j].low = windows_[g * count_ + j].low;
      own[j].high = windows_[g * count_ + j].high;
    }
    return own;
  }
  void count_runs() {
    constexpr std::uint64_t kTask = 32 * kPiece;
    const std::uint64_t run = t_.groups == 1 ? t_.n : t_.inner;
    for_each((t_.n + kTask - 1) / kTask, [&](std::uint64_t task) {
      const std::uint64_t last = std::min(t_.n, (task + 1) * kTask);
      for (std::uint64_t i = task * kTask; i < last;) {
        const std::uint64_t end = std::min(last, i - i % run + run), g = i / run % t_.groups;
        auto own = empty_windows(g);
        for (; i < end; i += std::min(kPiece, end - i)) {
          count(g, t_.data + i, std::min(kPiece, end - i), own.data());
        }
        add(g, own.data());
      }
    });
  }
  /// Some columns of some rows at a time; a column's values are put one after the other.
  void count_columns() {
    constexpr std::uint64_t kColumns = 16, kRows = 256, kParts = 16;
    const std::uint64_t rows = t_.n / t_.groups, across = (t_.groups + kColumns - 1) / kColumns;
    const std::uint64_t down = (rows + kRows * kParts - 1) / (kRows * kParts);
    for_each(across * down, [&](std::uint64_t task) {
      const std::uint64_t first = task % across * kColumns, top = task / across * kRows * kParts;
      const std::uint64_t columns = std::min(kColumns, t_.groups - first);
      std::array<std::array<RankWindow, kMostWindows>, kColumns> own{};
      for (std::uint64_t c = 0; c < columns; ++c) own[c] = empty_windows(first + c);
      for (std::uint64_t r = top; r < std::min(rows, top + kRows * kParts); r += kRows) {
        const std::uint64_t n = std::min(kRows, rows - r);
        for (std::uint64_t c = 0; c < columns; ++c) {
          std::array<float, kRows> x;
          for (std::uint64_t e = 0; e < n; ++e) x[e] = t_.data[(r + e) * t_.groups + first + c];
          count(first + c, x.data(), n, own[c].data());
        }
      }
      for (std::uint64_t c = 0; c < columns; ++c) add(first + c, own[c].data());
    });
  }

  /// The statistics of a group from what its windows hold; false where a window missed its own.
  bool select(std::uint64_t g) {
    if (insides_[g] > room_) return false;
    const float* const inside = inside_.get() + g * room_;
    thread_local std::vector<float> own;
    for (std::uint64_t j = g * count_; j < (g + 1) * count_; ++j) {
      const RankWindow& w = windows_[j];
      own.clear();
      std::copy_if(inside, inside + insides_[g], std::back_inserter(own),
                   [&](float x) { return w.low < x && x < w.high; });
      const std::uint64_t rank = rank_[j], to_inside = w.to_low + own.size();
      if (rank < w.below || rank >= w.to_high) return false;
      const double at_rank = rank < w.to_low    ? w.low
                             : rank < to_inside ? nth(own, rank - w.to_low)
                                                : w.high;
      out_[j] = at_rank + 0.0;
    }
    return true;
  }
  static float nth(std::vector<float>& values, std::uint64_t rank) {
    return order_statistic(values, static_cast<double>(rank));
  }

  const Core& core_;
  const qloom_tensor& t_;
  bool abs_;
  const std::uint64_t* rank_;
  std::uint64_t count_;
  double* out_;
  std::vector<RankWindow> windows_;  // [groups][count]
  std::unique_ptr<float[]> inside_;  // [groups][room_]
  std::vector<std::atomic<std::uint64_t>> insides_;
  std::uint64_t room_ = 0;
};

}  // namespace

void order_statistics(const Core& core, const qloom_tensor& t, bool abs, const std::uint64_t* rank,
                      std::uint64_t count, double* out) {
  Statistics(core, t, abs, rank, count, out).find();
}

}  // namespace qloom::kernels
