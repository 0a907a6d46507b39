// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <cmath>

#include <qloom/observed.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// Flexpoint's shared exponent, predicted from the largest mantissas of the steps before: Koester
/// et al., 2017. With k the value of the lowest bit, N bits and G the largest magnitude of a
/// mantissa:
///   overflow (G = 2^(N-1) - 1): forget the history, G = 2 G
///   history: G k of the last `length` tensors;  chi = a (max + b deviation + c k)
///   next k = 2^(ceil(log2 chi) - (N - 1))
/// A tensor is one observation, also where a round has many. The first is fitted: the smallest k
/// with which it does not overflow. The deviation has n in its denominator.
///
/// state:     exponent (log2 k), next: per group; history: `length` values per group, the newest
///            first, -1 for none; bits, is_signed
class RangeAutoflex {
 public:
  explicit RangeAutoflex(const Params& params)
      : length_(static_cast<std::size_t>(params.integer("/length"))),
        a_(params.number("/a")),
        b_(params.number("/b")),
        c_(params.number("/c")) {}
  void begin(const qloom_range_context& context, std::uint32_t) {
    bits_ = static_cast<std::int32_t>(std::clamp<std::uint32_t>(context.bits, 2, 32));
    is_signed_ = context.is_signed != 0 && context.after_relu == 0;
  }
  void observe(const qloom_tensor& x) {
    extremes_.find(x);
    observe_extremes(extremes_.lo, extremes_.hi);
  }
  void observe_extremes(std::span<const double> lo, std::span<const double> hi) {
    constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
    match_groups(exponent_, lo.size(), kNone);
    match_groups(next_, lo.size(), kNone);
    if (history_.empty()) history_.assign(lo.size() * length_, -1.0);
    for (std::size_t g = 0; g < lo.size(); ++g) {
      if (!std::isnan(next_[g])) exponent_[g] = next_[g];
      if (lo[g] <= hi[g]) step(g, std::max(-lo[g], hi[g]));
    }
  }
  void ranges(std::span<qloom_range> out) const {
    std::vector<double> lo(exponent_.size(), 1.0), hi(exponent_.size(), -1.0);
    for (std::size_t g = 0; g < lo.size(); ++g) {
      if (std::isnan(exponent_[g])) continue;
      const double k = std::ldexp(1.0, static_cast<int>(exponent_[g]));
      lo[g] = is_signed_ ? -(largest() + 1.0) * k : 0.0;
      hi[g] = largest() * k;
    }
    write_ranges(out, lo, hi);
  }
  template <class Archive>
  void state(Archive& a) {
    a("exponent", exponent_);
    a("next", next_);
    a("history", history_);
    require_equal_sizes(exponent_, next_);
    a("bits", bits_);
    std::uint8_t is_signed = is_signed_;
    a("is_signed", is_signed);
    is_signed_ = is_signed != 0;
    const auto is_sane = [](double e) { return std::isnan(e) || (e >= kLeast && e <= kMost); };
    if (history_.size() == exponent_.size() * length_ && bits_ >= 2 && bits_ <= 32 &&
        std::all_of(exponent_.begin(), exponent_.end(), is_sane) &&
        std::all_of(next_.begin(), next_.end(), is_sane)) {
      return;
    }
    throw Error(QLOOM_E_STATE, concat("state of ", history_.size(), " tensors in the history of ",
                                      exponent_.size(), " groups, expected ", length_, " each"));
  }

 private:
  static constexpr double kLeast = -126, kMost = 126;  // of the exponent

  /// Of unsigned codes all bits are magnitude.
  [[nodiscard]] double magnitude_bits() const { return is_signed_ ? bits_ - 1 : bits_; }
  [[nodiscard]] double largest() const {
    return std::ldexp(1.0, static_cast<int>(magnitude_bits())) - 1.0;
  }
  [[nodiscard]] double exponent_for(double reach) const {
    int exponent = 0;
    const bool is_power = std::frexp(reach, &exponent) == 0.5;
    return std::clamp((is_power ? exponent - 1 : exponent) - magnitude_bits(), kLeast, kMost);
  }
  void step(std::size_t g, double magnitude) {
    if (std::isnan(exponent_[g])) {
      exponent_[g] = magnitude > 0 ? exponent_for(magnitude) : kLeast;
      const double k = std::ldexp(1.0, static_cast<int>(exponent_[g]));
      if (std::nearbyint(magnitude / k) > largest()) exponent_[g] += exponent_[g] < kMost ? 1 : 0;
    }
    const double k = std::ldexp(1.0, static_cast<int>(exponent_[g]));
    double mantissa = std::min(std::nearbyint(magnitude / k), largest());
    double* const own = history_.data() + g * length_;
    if (mantissa >= largest()) {
      std::fill_n(own, length_, -1.0);
      mantissa *= 2.0;
    }
    std::copy_backward(own, own + length_ - 1, own + length_);
    own[0] = mantissa * k;
    next_[g] = exponent_for(a_ * (reach(own) + c_ * k));
  }
  /// max + b * deviation of the history.
  [[nodiscard]] double reach(const double* own) const {
    double most = 0, sum = 0, square = 0, n = 0;
    for (std::size_t i = 0; i < length_ && own[i] >= 0; ++i) {
      most = std::max(most, own[i]);
      sum += own[i];
      n += 1;
    }
    for (double i = 0; i < n; ++i) {
      const double deviation = own[static_cast<std::size_t>(i)] - sum / n;
      square += deviation * deviation;
    }
    return most + b_ * std::sqrt(square / n);
  }

  std::size_t length_;
  double a_, b_, c_;
  std::int32_t bits_ = 16;
  bool is_signed_ = true;
  Extremes extremes_;
  std::vector<double> exponent_, next_, history_;
};

}  // namespace

QLOOM_METHODS(qloom::sdk::Range<RangeAutoflex>)
