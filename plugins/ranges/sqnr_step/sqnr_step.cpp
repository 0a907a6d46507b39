// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <array>
#include <cmath>

#include <qloom/observed.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

constexpr std::size_t kMostBits = 8;
using Steps = std::array<double, kMostBits>;  // of 1 to 8 bits, for spread 1

/// Steps of the smallest expected squared error, by direct minimisation over the density:
/// mid-rise levels (k + 1/2) s, and two's complement -2^(b-1) s .. (2^(b-1) - 1) s.
struct Density {
  const char* name;
  Steps midrise, midtread;
};
constexpr std::array<Density, 3> kDensities{
    {{"gauss",
      {1.59577, 0.99569, 0.58602, 0.33520, 0.18814, 0.10406, 0.05687, 0.03076},
      {1.22401, 1.04839, 0.60182, 0.33861, 0.18879, 0.10418, 0.05689, 0.03077}},
     {"laplace",
      {1.41421, 1.08739, 0.73093, 0.46100, 0.27999, 0.16568, 0.09610, 0.05484},
      {1.41421, 1.21413, 0.76245, 0.46765, 0.28128, 0.16592, 0.09614, 0.05485}},
     {"gamma",
      {1.15470, 1.06601, 0.79574, 0.53996, 0.34595, 0.21300, 0.12731, 0.07436},
      {1.85064, 1.58048, 0.99994, 0.61972, 0.37720, 0.22524, 0.13208, 0.07621}}}};

/// The step of the best signal-to-quantization-noise ratio for a known density of the given spread:
/// Lin, Talathi, Annapureddy, 2016. A uniform density on [-a, a] has the step 2 a / 2^bits.
///
/// Grids symmetric about 0 take the root mean square as spread. After a ReLU and with unsigned
/// codes the values are the upper half of a symmetric density: the root mean square, and the step
/// of one bit more. Other grids have their middle at the mean and take the deviation. state: sums:
/// values, squares and their number, per group exactness: sums in double, in a fixed order errors:
/// QLOOM_E_INVALID for more than 8 bits and a density from the table
class SqnrStep {
 public:
  explicit SqnrStep(const Params& params)
      : density_(params.text("/density")),
        is_midrise_(params.text("/grid") == "midrise"),
        power_of_two_(params.text("/power_of_two")) {}
  void begin(const qloom_range_context& context, std::uint32_t) {
    context_ = context;
    is_half_ = context.after_relu != 0 || (context.is_signed == 0 && context.symmetric != 0);
    unit_step_ = unit_step(context.bits + (is_half_ ? 1 : 0));
    sums_.clear();
  }
  void observe(const qloom_tensor& x) {
    const auto none = [](std::uint64_t) { return 0; };
    add_finite(sums_, x, scratch_, none, [](int, double v) { return std::array{v, v * v, 1.0}; });
  }
  void ranges(std::span<qloom_range> out) const {
    std::vector<double> lo(sums_.size() / 3, 1.0), hi(sums_.size() / 3, -1.0);
    for (std::size_t g = 0; g < lo.size(); ++g) {
      if (sums_[3 * g + 2] > 0) std::tie(lo[g], hi[g]) = ends(g);
    }
    write_ranges(out, lo, hi);
  }
  template <class Archive>
  void state(Archive& a) {
    a("sums", sums_);
    a("unit_step", unit_step_);
    std::int64_t levels = static_cast<std::int64_t>(context_.levels);
    std::uint8_t is_half = is_half_, is_symmetric = context_.symmetric != 0;
    a("levels", levels);
    a("is_half", is_half);
    a("is_symmetric", is_symmetric);
    context_.levels = static_cast<std::uint64_t>(levels);
    is_half_ = is_half != 0;
    context_.symmetric = is_symmetric;
  }

 private:
  [[nodiscard]] double unit_step(std::uint32_t bits) const {
    if (density_ == "uniform")
      return 2.0 * std::sqrt(3.0) / std::ldexp(1.0, static_cast<int>(bits));
    if (bits < 1 || bits > kMostBits) {
      throw Error(QLOOM_E_INVALID,
                  concat("the best step of a ", density_, " density is known for 1 to ", kMostBits,
                         " bits of signed codes, not for ", bits));
    }
    for (const Density& d : kDensities) {
      if (density_ == d.name) return (is_midrise_ ? d.midrise : d.midtread)[bits - 1];
    }
    throw Error(QLOOM_E_INVALID, concat("density ", density_, " is not known"));
  }
  [[nodiscard]] double step(double spread) const {
    const double best = spread * unit_step_;
    if (power_of_two_ == "none" || !(best > 0)) return best;
    const double exponent = std::log2(best);
    return std::ldexp(1.0, static_cast<int>(power_of_two_ == "up" ? std::ceil(exponent)
                                                                  : std::nearbyint(exponent)));
  }
  /// On a grid about 0 the ends that make the quantizer take the step, codes of two's complement or
  /// not: the upper one for the largest code, the lower one in the middle of all codes.
  [[nodiscard]] std::pair<double, double> ends(std::size_t g) const {
    const double n = sums_[3 * g + 2], mean = sums_[3 * g] / n, square = sums_[3 * g + 1] / n;
    const double levels = static_cast<double>(std::max<std::uint64_t>(context_.levels, 2));
    if (is_half_) return {0.0, step(std::sqrt(square)) * (levels - 1.0)};
    if (context_.symmetric != 0) {
      const double s = step(std::sqrt(square));
      return {-s * (levels - 1.0) / 2.0, s * std::max(1.0, std::floor((levels - 1.0) / 2.0))};
    }
    const double s = step(std::sqrt(std::max(0.0, square - mean * mean)));
    return {mean - s * (levels - 1.0) / 2.0, mean + s * (levels - 1.0) / 2.0};
  }

  std::string density_;
  bool is_midrise_;
  std::string power_of_two_;
  qloom_range_context context_{};
  bool is_half_ = false;
  double unit_step_ = 1.0;
  std::vector<double> sums_, scratch_;
};

}  // namespace

QLOOM_METHODS(qloom::sdk::Range<SqnrStep>)
