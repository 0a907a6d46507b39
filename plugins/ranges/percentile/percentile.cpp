// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>
#include <atomic>

#include <qloom/observed.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// n percent / 100; an integer when it is one but for rounding.
///
/// n < 2^40, so the product is wrong by less than 2^-12: nearer to an integer than kNear means
/// equal to it for every percentage with up to three decimals and n up to 10^9.
double share(std::uint64_t n, double percent) {
  constexpr double kNear = 1e-6;
  const double k = static_cast<double>(n) * percent / 100.0;
  return std::fabs(k - std::nearbyint(k)) < kNear ? std::nearbyint(k) : k;
}

/// Order statistic of the n values, the one with `before` of them before it; reorders them.
double order_statistic(float* values, std::uint64_t n, std::uint64_t before) {
  std::nth_element(values, values + before, values + n);
  return values[before];
}

std::uint64_t group_size(const qloom_tensor& x, std::uint64_t g) {
  const std::uint64_t missing = x.outer * x.groups * x.inner - x.n;  // in the last group
  return x.outer * x.inner - (g + 1 == x.groups ? missing : 0);
}

/// body(value) for the finite values of a group, magnitudes when abs, until it answers false.
template <class Body>
void for_each_finite(const qloom_tensor& x, std::uint64_t g, bool abs, Body body) {
  const std::uint64_t n = group_size(x, g);
  for (std::uint64_t o = 0, left = n; o < x.outer && left > 0; ++o) {
    const float* const run = x.data + (o * x.groups + g) * x.inner;
    const std::uint64_t length = std::min(x.inner, left);
    for (std::uint64_t i = 0; i < length; ++i) {
      if (std::isfinite(run[i]) && !body(abs ? std::fabs(run[i]) : run[i])) return;
    }
    left -= length;
  }
}

/// Which order statistics of a tensor's groups are its ends, and what they are.
struct Wanted {
  double percent;
  bool abs;  // of |x|; no lower end

  [[nodiscard]] std::uint64_t below_lo(std::uint64_t n) const {
    return n - static_cast<std::uint64_t>(std::ceil(share(n, percent)));
  }
  [[nodiscard]] std::uint64_t above_hi(std::uint64_t n) const {
    return n - 1 - std::min(static_cast<std::uint64_t>(share(n, percent)), n - 1);
  }
};
struct Ends {
  double lo = 1.0, hi = -1.0;  // lo > hi: no finite value
};

/// Both ends of n values; reorders them.
Ends ends_of(float* values, std::uint64_t n, const Wanted& wanted) {
  if (n == 0) return {};
  const double hi = order_statistic(values, n, n - 1 - wanted.above_hi(n));
  return {wanted.abs ? hi : order_statistic(values, n, wanted.below_lo(n)), hi};
}

/// The values of a tensor beyond pivots: a sample tells about where the ends of a group are, and
/// pivots are set a little inside of them. One pass then finds the few values beyond the pivots,
/// among which the exact ends are. Where the sample was wrong, all values of the group are sorted
/// out instead: the pivots decide about time only.
class Tails {
 public:
  /// Fills `ends`; false when looking at all values is no more work.
  bool find(const qloom_tensor& x, const Wanted& wanted, std::vector<Ends>& ends) {
    const std::uint64_t n = x.outer * x.inner;
    if (n < kFewest) return false;
    const auto sampled = static_cast<std::uint64_t>(8.0 * std::sqrt(static_cast<double>(n)));
    if (8 * beyond(sampled, wanted) > sampled) return false;
    set_pivots(x, wanted, sampled);
    if (!collect(x, wanted.abs, 4 * x.n / sampled * beyond(sampled, wanted) + x.n / 16)) {
      return false;
    }
    sort_by_group(x.groups);
    for_each(x.groups, [&](std::uint64_t g) noexcept { select(x, g, wanted, ends[g]); });
    return true;
  }
  /// Did find() leave the group to be looked at as a whole?
  [[nodiscard]] bool is_open(std::uint64_t g) const { return is_open_[g] != 0; }

 private:
  static constexpr std::uint64_t kFewest = 4096;  // values in a group
  static constexpr std::uint64_t kPiece = 64;     // elements looked at together
  struct Hit {
    std::uint64_t group;
    float value;
  };

  /// How many values of a sample of n lie beyond a pivot: as many as should lie beyond the end,
  /// and four standard deviations more.
  static std::uint64_t beyond(std::uint64_t n, const Wanted& wanted) {
    const double outside = static_cast<double>(n) * (1.0 - wanted.percent / 100.0);
    return static_cast<std::uint64_t>(std::ceil(outside + 4.0 * std::sqrt(outside) + 4.0));
  }
  void set_pivots(const qloom_tensor& x, const Wanted& wanted, std::uint64_t sampled) {
    constexpr std::uint64_t kTogether = 16;  // neighbouring groups, for whole cache lines
    below_.resize(x.groups);
    above_.resize(x.groups);
    values_.resize(x.groups * sampled);
    for_each((x.groups + kTogether - 1) / kTogether, [&](std::uint64_t task) noexcept {
      const std::uint64_t first = task * kTogether;
      const std::uint64_t count = std::min(kTogether, x.groups - first);
      std::uint64_t found[kTogether] = {};
      for (std::uint64_t i = 0; i < sampled; ++i) {
        const std::uint64_t at = place(i, sampled, x.outer * x.inner);
        const std::uint64_t run =
            x.groups == 1 ? at : (at / x.inner * x.groups + first) * x.inner + at % x.inner;
        for (std::uint64_t g = 0; g < count && run + g * x.inner < x.n; ++g) {
          const float v = x.data[run + g * x.inner];
          if (!std::isfinite(v)) continue;
          values_[(first + g) * sampled + found[g]++] = wanted.abs ? std::fabs(v) : v;
        }
      }
      for (std::uint64_t g = 0; g < count; ++g) {
        set_pivot(first + g, &values_[(first + g) * sampled], found[g], wanted);
      }
    });
  }
  /// Where to look for value i of a sample of n elements: somewhere in the i-th part, so that it
  /// keeps no step with the tensor's structure.
  static std::uint64_t place(std::uint64_t i, std::uint64_t sampled, std::uint64_t n) {
    const auto word = static_cast<std::uint32_t>((i * 0x9E3779B97F4A7C15U) >> 32U);
    const double part = static_cast<double>(n) / static_cast<double>(sampled);
    const auto at = static_cast<std::uint64_t>((static_cast<double>(i) + word * 0x1p-32) * part);
    return std::min(at, n - 1);
  }
  void set_pivot(std::uint64_t g, float* sample, std::uint64_t n, const Wanted& wanted) {
    const std::uint64_t outside = beyond(n, wanted);
    if (2 * outside >= n) {  // hardly a finite value: everything is beyond the pivots
      below_[g] = std::numeric_limits<float>::infinity();
      above_[g] = -below_[g];
      return;
    }
    above_[g] = static_cast<float>(order_statistic(sample, n, n - 1 - outside));
    below_[g] = wanted.abs ? -above_[g] : static_cast<float>(order_statistic(sample, n, outside));
  }

  /// All finite values beyond the pivots; false when there are more than `most`.
  bool collect(const qloom_tensor& x, bool abs, std::uint64_t most) {
    hits_.resize(most);
    count_ = 0;
    nonfinite_.assign(x.groups, 0);
    if (x.inner == 1 && x.groups > 1) {
      collect_columns(x, abs);
    } else {
      collect_runs(x, abs);
    }
    return count_ <= most;
  }
  void collect_runs(const qloom_tensor& x, bool abs) {
    const std::uint64_t run = x.groups == 1 ? x.n : x.inner;
    for_each((x.n + kTask - 1) / kTask, [&](std::uint64_t task) noexcept {
      const std::uint64_t last = std::min(x.n, (task + 1) * kTask);
      for (std::uint64_t i = task * kTask; i < last;) {
        const std::uint64_t end = std::min(last, i - i % run + run), g = i / run % x.groups;
        const float below = below_[g], above = above_[g];
        for (; i < end; i += kPiece) {
          const std::uint64_t n = std::min(kPiece, end - i);
          const auto inside = [=](float v, std::uint64_t) {
            return static_cast<int>(v >= below) & static_cast<int>(v <= above);
          };
          if (!all_inside(x.data + i, n, inside)) add_hits(x, abs, i, n, inside);
        }
        i = end;
      }
    });
  }
  void collect_columns(const qloom_tensor& x, bool abs) {
    // Few columns are looked at as whole pieces: tables of as many rows as that takes.
    const std::uint64_t rows = x.groups < kPiece ? kPiece : 1, row = rows * x.groups;
    below_row_.resize(row);
    above_row_.resize(row);
    for (std::uint64_t i = 0; i < row; ++i) {
      below_row_[i] = below_[i % x.groups];
      above_row_[i] = above_[i % x.groups];
    }
    const std::uint64_t step = (kTask / row + 1) * row;
    for_each((x.n + step - 1) / step, [&](std::uint64_t task) noexcept {
      const std::uint64_t last = std::min(x.n, (task + 1) * step);
      for (std::uint64_t i = task * step, c = 0; i < last;) {
        const std::uint64_t n = std::min({kPiece, last - i, row - c});
        const float *below = &below_row_[c], *above = &above_row_[c];
        const auto inside = [=](float v, std::uint64_t e) {
          return static_cast<int>(v >= below[e]) & static_cast<int>(v <= above[e]);
        };
        if (!all_inside(x.data + i, n, inside)) add_hits(x, abs, i, n, inside);
        i += n;
        c = c + n == row ? 0 : c + n;
      }
    });
  }
  /// Plain loops, which the compiler vectorizes; NaN is not inside.
  template <class Inside>
  static bool all_inside(const float* x, std::uint64_t n, Inside inside) {
    int all = 1;
    if (n == kPiece) {
      for (std::uint64_t e = 0; e < kPiece; ++e) all &= inside(x[e], e);
    } else {
      for (std::uint64_t e = 0; e < n; ++e) all &= inside(x[e], e);
    }
    return all != 0;
  }
  /// Adds what is beyond the pivots among elements first .. first + n - 1.
  template <class Inside>
  void add_hits(const qloom_tensor& x, bool abs, std::uint64_t first, std::uint64_t n,
                Inside inside) noexcept {
    Hit found[kPiece];
    std::uint64_t count = 0;
    for (std::uint64_t e = 0; e < n; ++e) {
      const float v = x.data[first + e];
      if (inside(v, e) != 0) continue;
      const std::uint64_t g = x.groups == 1 ? 0 : (first + e) / x.inner % x.groups;
      if (std::isfinite(v)) {
        found[count++] = {g, abs ? std::fabs(v) : v};
      } else {
        std::atomic_ref(nonfinite_[g]).fetch_add(1, std::memory_order_relaxed);
      }
    }
    const std::uint64_t at = count_.fetch_add(count, std::memory_order_relaxed);
    if (at + count <= hits_.size()) std::copy_n(found, count, hits_.data() + at);
  }
  void sort_by_group(std::uint64_t groups) {
    first_.assign(groups + 1, 0);
    for (std::uint64_t i = 0; i < count_; ++i) ++first_[hits_[i].group + 1];
    for (std::uint64_t g = 0; g < groups; ++g) first_[g + 1] += first_[g];
    values_.resize(count_);
    std::vector<std::uint64_t> next(first_.begin(), first_.end() - 1);
    for (std::uint64_t i = 0; i < count_; ++i) values_[next[hits_[i].group]++] = hits_[i].value;
    is_open_.assign(groups, 0);
  }
  /// The ends of a group from its values beyond the pivots.
  void select(const qloom_tensor& x, std::uint64_t g, const Wanted& wanted, Ends& out) noexcept {
    const std::uint64_t n = group_size(x, g) - nonfinite_[g], count = first_[g + 1] - first_[g];
    if (n == 0) return;
    float* const values = values_.data() + first_[g];
    const auto outside = [&](auto is_beyond) {
      return static_cast<std::uint64_t>(std::count_if(values, values + count, is_beyond));
    };
    const std::uint64_t above = outside([&](float v) { return v > above_[g]; });
    const std::uint64_t from_above = wanted.above_hi(n);
    if (from_above < above) {
      out.hi = order_statistic(values, count, count - 1 - from_above);
    } else if (is_often(x, g, wanted.abs, above_[g], from_above - above)) {
      out.hi = above_[g];
    } else {
      is_open_[g] = 1;
    }
    out.lo = out.hi;
    if (wanted.abs) return;
    const std::uint64_t below = outside([&](float v) { return v < below_[g]; });
    const std::uint64_t from_below = wanted.below_lo(n);
    if (from_below < below) {
      out.lo = order_statistic(values, count, from_below);
    } else if (is_often(x, g, wanted.abs, below_[g], from_below - below)) {
      out.lo = below_[g];
    } else {
      is_open_[g] = 1;
    }
  }
  /// Is the pivot itself in the group more than `often` times? Zeros after a ReLU are.
  static bool is_often(const qloom_tensor& x, std::uint64_t g, bool abs, float pivot,
                       std::uint64_t often) {
    std::uint64_t count = 0;
    for_each_finite(x, g, abs, [&](float v) { return (count += v == pivot ? 1 : 0) <= often; });
    return count > often;
  }

  static constexpr std::uint64_t kTask = 16384;  // elements
  std::vector<float> below_, above_, below_row_, above_row_, values_;
  std::vector<Hit> hits_;
  std::vector<std::uint64_t> nonfinite_, first_;
  std::vector<std::uint8_t> is_open_;
  std::atomic<std::uint64_t> count_ = 0;
};

/// Order statistics of every tensor at a percentile, averaged over the tensors of a round.
///
/// one_sided: hi is of the magnitudes, lo = -hi; 0 on a grid without negative codes and after a
/// ReLU, for a group without negative values: a grid with a zero point has negative values all the
/// same. state:     lo, hi: sums of the tensors' ends; tensors: how many had a finite value;
/// below_zero: 1
///            for a group that had a negative one; has_negatives: whether lo is -hi in any case
/// exactness: the order statistics are exact, the averages in double in order of observation
/// errors:    QLOOM_E_ORDER for a group without a finite value
class Percentile {
 public:
  explicit Percentile(const Params& params)
      : wanted_{params.number("/percentile"), params.text("/sides") == "one_sided"} {}
  void begin(const qloom_range_context& context, std::uint32_t) {
    has_negatives_ = context.is_signed != 0 && context.after_relu == 0;
    lo_.clear();
    hi_.clear();
    tensors_.clear();
    below_zero_.clear();
  }
  void observe(const qloom_tensor& x) {
    if (wanted_.abs && !has_negatives_) look_for_negatives(x);
    match_groups(lo_, x.groups, 0.0);
    match_groups(hi_, x.groups, 0.0);
    match_groups(tensors_, x.groups, 0.0);
    std::vector<Ends> ends(x.groups);
    Tails tails;
    const bool found = tails.find(x, wanted_, ends);
    for (std::uint64_t g = 0; g < x.groups && found; ++g) {
      if (tails.is_open(g)) look_at_all(x, g, g + 1, ends);
    }
    if (!found) look_at_all(x, 0, x.groups, ends);
    for (std::uint64_t g = 0; g < x.groups; ++g) add(g, ends[g]);
  }
  void ranges(std::span<qloom_range> out) const {
    std::vector<double> lo(lo_), hi(hi_);
    for (std::size_t g = 0; g < lo.size(); ++g) {
      lo[g] = tensors_[g] > 0 ? lo_[g] / tensors_[g] : 1.0;
      hi[g] = tensors_[g] > 0 ? hi_[g] / tensors_[g] : -1.0;
      if (wanted_.abs && tensors_[g] > 0) {
        lo[g] = has_negatives_ || (g < below_zero_.size() && below_zero_[g] != 0) ? -hi[g] : 0.0;
      }
    }
    write_ranges(out, lo, hi);
  }
  template <class Archive>
  void state(Archive& a) {
    a("lo", lo_);
    a("hi", hi_);
    a("tensors", tensors_);
    a("below_zero", below_zero_);
    std::uint8_t has_negatives = has_negatives_;
    a("has_negatives", has_negatives);
    has_negatives_ = has_negatives != 0;
  }

 private:
  /// Groups first .. last - 1, each from all of its values.
  void look_at_all(const qloom_tensor& x, std::uint64_t first, std::uint64_t last,
                   std::vector<Ends>& ends) const {
    const std::uint64_t most = x.outer * x.inner;
    std::vector<float> room((last - first) * most);
    for_each(last - first, [&](std::uint64_t i) noexcept {
      float* const values = room.data() + i * most;
      std::uint64_t n = 0;
      for_each_finite(x, first + i, wanted_.abs, [&](float v) {
        values[n++] = v;
        return true;
      });
      ends[first + i] = ends_of(values, n, wanted_);
    });
  }
  void add(std::uint64_t g, const Ends& ends) {
    if (ends.lo > ends.hi) return;
    hi_[g] += ends.hi;
    lo_[g] += wanted_.abs ? 0.0 : ends.lo;  // one_sided: from hi, when the round is over
    tensors_[g] += 1;
  }
  void look_for_negatives(const qloom_tensor& x) {
    match_groups<std::uint8_t>(below_zero_, x.groups, 0);
    extremes_.find(x);
    for (std::uint64_t g = 0; g < x.groups; ++g) {
      if (extremes_.lo[g] < 0) below_zero_[g] = 1;
    }
  }

  Wanted wanted_;
  bool has_negatives_ = true;
  Extremes extremes_;
  std::vector<double> lo_, hi_, tensors_;
  std::vector<std::uint8_t> below_zero_;
};

}  // namespace

QLOOM_METHODS(qloom::sdk::Range<Percentile>)
