// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <limits>

#include <qloom/math/exact_sum.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;
using Constants = std::vector<std::int64_t>;

constexpr std::int64_t kMostSum = std::int64_t{1} << 62;  // so that -v and v + 1 fit
constexpr double kMostJoined = 0x1p61;

/// x reaches a code: 2 x >= twice, or > where it is strict.
struct Bound {
  std::int64_t twice;
  bool is_strict;
};

/// Of round(x) >= j.
Bound bound_of(std::int64_t j, std::uint32_t rounding) {
  if (rounding == QLOOM_ROUND_NEAREST_UP) return {2 * j - 1, false};
  if (rounding == QLOOM_ROUND_NEAREST_EVEN) return {2 * j - 1, j % 2 != 0};
  if (rounding == QLOOM_ROUND_NEAREST_AWAY) return {2 * j - 1, j <= 0};
  if (rounding == QLOOM_ROUND_TOWARD_NEGATIVE) return {2 * j, false};
  if (rounding == QLOOM_ROUND_TOWARD_ZERO && j > 0) return {2 * j, false};
  return {2 * j - 2, true};  // toward positive, and toward zero from below
}

/// factor * v + offset of one channel, which does not fall; v in lo .. hi.
struct Line {
  double factor, offset;
  std::int64_t lo, hi;

  [[nodiscard]] bool reaches(std::int64_t v, Bound bound) const {
    ExactSum sum;
    sum.add(factor, 2 * v);
    sum.add(offset, 2);
    sum.add(-1.0, bound.twice);
    return bound.is_strict ? sum.sign() > 0 : sum.sign() >= 0;
  }
  /// The least v that reaches it, hi + 1 where none does: by halves, from an estimate on.
  [[nodiscard]] std::int64_t first_that(Bound bound) const {
    std::int64_t low = lo, high = hi + 1;
    const double about = (0.5 * static_cast<double>(bound.twice) - offset) / factor;
    if (std::fabs(about) < 0x1p52) {
      const auto near = static_cast<std::int64_t>(std::floor(about));
      for (const std::int64_t v : {near - 1, near + 2}) {
        if (v < low || v >= high) continue;
        (reaches(v, bound) ? high : low) = reaches(v, bound) ? v : v + 1;
      }
    }
    while (low < high) {
      const std::int64_t middle = low + (high - low) / 2;
      (reaches(middle, bound) ? high : low) = reaches(middle, bound) ? middle : middle + 1;
    }
    return low;
  }
};

/// Thresholds in exact arithmetic: doubles are integers times powers of two.
///
/// exactness: of one sum all; of a join its factors are rounded once, as the formula says
class Thresholds {
 public:
  explicit Thresholds(const Params& params) : bits_(params.integer("/bits_max")) {}

  void derive(const qloom_requantize_task& task, Steps& steps) const {
    const std::int64_t count = std::int64_t{task.code_max} - task.code_min;
    if (count + 1 > std::int64_t{1} << bits_) {
      throw Error(QLOOM_E_UNSUPPORTED, concat("codes of ", task.code_min, " to ", task.code_max,
                                              " are more than bits_max = ", bits_, " bits hold"));
    }
    if (count == 0) return steps.clamp(task.code_min, task.code_max);
    const std::vector<Line> lines = task.inputs == 1 ? lines_of(task) : joined(task, steps);
    steps.of_input(0);
    Constants signs, constants;
    for (const Line& line : lines) {
      const bool falls = line.factor < 0;
      const Line rising = falls ? Line{-line.factor, line.offset, -line.hi, -line.lo} : line;
      signs.push_back(falls ? -1 : 1);
      for (std::int64_t k = 1; k <= count; ++k) {
        const std::int64_t j = task.code_min + k - task.zero_point;
        constants.push_back(rising.first_that(bound_of(j, task.rounding)));
      }
    }
    steps.multiply(signs);
    steps.count(constants, static_cast<std::uint64_t>(count));
    steps.add({task.code_min});
  }

 private:
  static std::vector<Line> lines_of(const qloom_requantize_task& task) {
    std::vector<Line> lines;
    for (std::uint64_t c = 0; c < task.channels; ++c) {
      if (task.sum_min[c] < -kMostSum || task.sum_max[c] > kMostSum) {
        throw Error(QLOOM_E_UNSUPPORTED, concat("channel ", c, ": sums of ", task.sum_min[c],
                                                " to ", task.sum_max[c], ", expected 62 bits"));
      }
      lines.push_back({task.factor[c], task.offset[c], task.sum_min[c], task.sum_max[c]});
    }
    return lines;
  }

  /// Fraction bits with which a channel's factors are integers: exact, or as many as fit.
  static int fraction_bits(const qloom_requantize_task& task, std::uint64_t c) {
    double total = 0;
    int exact = std::numeric_limits<int>::min();
    for (std::uint64_t i = c; i < task.inputs * task.channels; i += task.channels) {
      if (task.factor[i] == 0) continue;
      total += std::fabs(task.factor[i]) * most_of(task, i);
      exact = std::max(exact, -detail::dyadic_of(task.factor[i]).e);
    }
    if (total == 0) return 0;
    return std::min(exact, std::ilogb(kMostJoined / total) - 1);
  }
  static double most_of(const qloom_requantize_task& task, std::uint64_t i) {
    return std::fmax(1.0, std::fmax(std::fabs(static_cast<double>(task.sum_min[i])),
                                    std::fabs(static_cast<double>(task.sum_max[i]))));
  }

  static std::vector<Line> joined(const qloom_requantize_task& task, Steps& steps) {
    std::vector<Line> lines;
    std::vector<Constants> factors(task.inputs);
    for (std::uint64_t c = 0; c < task.channels; ++c) {
      const int bits = fraction_bits(task, c);
      Line line{std::ldexp(1.0, -bits), task.offset[c], 0, 0};
      for (std::uint32_t n = 0; n < task.inputs; ++n) {
        const std::uint64_t i = n * task.channels + c;
        const std::int64_t m = nearest_even(std::ldexp(task.factor[i], bits));
        factors[n].push_back(m);
        line.lo += std::min(m * task.sum_min[i], m * task.sum_max[i]);
        line.hi += std::max(m * task.sum_min[i], m * task.sum_max[i]);
      }
      lines.push_back(line);
    }
    for (std::uint32_t n = 0; n < task.inputs; ++n) {
      steps.of_input(n + 1);
      steps.multiply(factors[n]);
    }
    return lines;
  }

  std::int64_t bits_;
};

}  // namespace

QLOOM_METHODS(qloom::sdk::Requantizer<Thresholds>)
