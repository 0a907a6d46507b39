// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <qloom/math/fixed_point.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;
using Constants = std::vector<std::int64_t>;

constexpr double kRegister = 0x1.ffffffffffffep62;  // below 2^63 by more than a double's error
constexpr double kWidestBias = 0x1p61;              // leaves room for the product
constexpr int kMostShift = 62;                      // of a step

/// What one channel's value goes through, in this order.
struct Channel {
  std::int64_t before = 0;    ///< added to the sum
  int left = 0;               ///< shift before the multiplication
  std::int64_t q = 0;         ///< multiplied
  std::int64_t bias = 0;      ///< added to the product
  int up = 0;                 ///< left shift of the product
  int first = 0, second = 0;  ///< right shifts
  std::int64_t last = 0;      ///< added at the end
};

/// The list of one member of all channels.
template <class Member>
Constants all(const std::vector<Channel>& channels, Member Channel::*member) {
  Constants list;
  for (const Channel& c : channels) list.push_back(static_cast<std::int64_t>(c.*member));
  return list;
}

[[noreturn]] void refuse(std::uint64_t channel, const std::string& reason) {
  throw Error(QLOOM_E_UNSUPPORTED, concat("channel ", channel, ": ", reason));
}

double magnitude_of(const qloom_requantize_task& task, std::uint64_t i) {
  return std::fmax(std::fabs(static_cast<double>(task.sum_min[i])),
                   std::fabs(static_cast<double>(task.sum_max[i])));
}

/// A multiplier and a right shift: the rounding of integer libraries.
///
/// unit:      factor: codes per unit of the sum; offset: codes
/// exactness: integers but for the rounding of the multiplier and of the bias, which are stated
class IntegerMultiplier {
 public:
  explicit IntegerMultiplier(const Params& params)
      : bits_(static_cast<int>(params.integer("/bits"))),
        rounding_(params.text("/rounding")),
        bias_in_sum_(params.text("/bias_scale") == "sum"),
        left_shift_(params.flag("/left_shift")),
        is_below_(params.text("/approximation") == "below") {}

  void derive(const qloom_requantize_task& task, Steps& steps) const {
    if (task.inputs == 1) return of_sum(task, steps);
    return is_double() ? of_doubled_join(task, steps) : of_join(task, steps);
  }

 private:
  [[nodiscard]] bool is_double() const { return rounding_.starts_with("double"); }
  /// Of the last right shift.
  [[nodiscard]] std::uint32_t last_rounding(const qloom_requantize_task& task) const {
    if (rounding_ == "rule") return task.rounding;
    if (rounding_ == "floor") return QLOOM_ROUND_TOWARD_NEGATIVE;
    return rounding_ == "double_away" ? QLOOM_ROUND_NEAREST_AWAY : QLOOM_ROUND_NEAREST_UP;
  }

  /// The factor's multiplier; {0, 0} for one that a right shift of 62 bits makes 0, which
  /// TensorFlow Lite does too. `most`: the largest magnitude that it is multiplied with.
  [[nodiscard]] Multiplier multiplier(double factor, double most, std::uint64_t channel) const {
    const Multiplier m = is_below_ ? below(factor, bits_) : multiplier_of(factor, bits_);
    if (m.exponent >= bits_ - kMostShift) return m;
    if (std::fabs(factor) * most > 0.5) {
      refuse(channel, concat("factor ", factor, " needs a right shift of ", bits_ - m.exponent,
                             " bits, expected at most ", kMostShift));
    }
    return {};
  }
  /// factor = q / 2^k from below: k = floor(log2((2^bits - 1) / factor)), q = floor(2^k factor).
  [[nodiscard]] static Multiplier below(double factor, int bits) {
    Multiplier m;
    double f = std::ldexp(std::frexp(factor, &m.exponent), bits);
    if (factor == 0) return {};
    if (std::fabs(f) > std::ldexp(1.0, bits) - 1.0) {
      f /= 2;
      ++m.exponent;
    }
    m.q = static_cast<std::int64_t>(f);  // toward 0
    return m;
  }
  /// The same with fewer bits where those of the bias do not fit beside all.
  [[nodiscard]] Multiplier beside_bias(Multiplier m, double factor, double offset) const {
    const int before = m.exponent;
    const auto bias = [&] { return std::fabs(std::ldexp(offset, bits_ - m.exponent)); };
    while (m.exponent < 0 && bias() >= kWidestBias) ++m.exponent;
    if (m.exponent != before) {
      const double q = std::ldexp(factor, bits_ - m.exponent);
      m.q = static_cast<std::int64_t>(is_below_ ? std::trunc(q) : std::round(q));
    }
    return m;
  }
  /// round(offset * 2^scale)
  [[nodiscard]] static std::int64_t wide_bias(double offset, int scale, std::uint64_t channel) {
    const double bias = std::ldexp(offset, scale);
    if (!(std::fabs(bias) < kRegister)) {
      refuse(channel,
             concat("offset ", offset, " does not fit into 64 bits at a scale of 2^-", scale));
    }
    return nearest_even(bias);
  }
  /// Shifts of a multiplier, and where a left one is not there.
  void shift(Channel& c, int exponent, double factor, std::uint64_t channel) const {
    if (is_double()) {
      c.left = std::max(exponent, 0);
      c.first = bits_;
      c.second = std::max(-exponent, 0);
    } else {
      c.up = std::max(exponent - bits_, 0);
      c.first = std::max(bits_ - exponent, 0);
    }
    const int left = c.left + c.up;
    if (left > 0 && !left_shift_) {
      refuse(channel, concat("factor ", factor, " needs a left shift of ", left,
                             " bits, and left_shift is false"));
    }
    if (left > kMostShift) {
      refuse(channel, concat("factor ", factor, " needs a left shift of ", left,
                             " bits, expected at most ", kMostShift));
    }
  }
  /// Does a value of at most this magnitude stay in 64 bits?
  static void require_width(const Channel& c, double most, std::uint64_t channel) {
    const double before = most + std::fabs(static_cast<double>(c.before));
    const double product = std::ldexp(before, c.left) * std::fabs(static_cast<double>(c.q));
    const double biased = std::ldexp(product + std::fabs(static_cast<double>(c.bias)), c.up);
    if (std::fmax(std::ldexp(before, c.left), biased) < kRegister - 0x1p33) return;
    refuse(channel, concat("a sum of magnitude ", before, " times 2^", c.left, " times ", c.q,
                           " plus ", c.bias, ", times 2^", c.up,
                           ", leaves 64 bits; fewer bits of the multiplier may fit"));
  }

  [[nodiscard]] Channel channel_of(const qloom_requantize_task& task, std::uint64_t i) const {
    const double factor = task.factor[i], offset = task.offset[i], most = magnitude_of(task, i);
    Channel c;
    c.last = task.zero_point;
    Multiplier m = multiplier(factor, most, i);
    if (bias_in_sum_ && factor != 0) c.before = sum_bias(offset, factor, i);
    if (bias_in_sum_ && factor == 0) {
      c.last += rounded(std::clamp(offset, -0x1p32, 0x1p32), last_rounding(task));
    }
    if (!bias_in_sum_) m = beside_bias(m, factor, offset);
    c.q = m.q;
    shift(c, m.exponent, factor, i);
    if (!bias_in_sum_) c.bias = wide_bias(offset, c.first + c.second - c.up, i);
    require_width(c, most, i);
    return c;
  }

  /// From the multiplication on.
  void multiply(const std::vector<Channel>& channels, const qloom_requantize_task& task,
                Steps& steps) const {
    steps.shift_left(all(channels, &Channel::left));
    steps.multiply(all(channels, &Channel::q));
    finish(channels, task, steps);
  }
  void finish(const std::vector<Channel>& channels, const qloom_requantize_task& task,
              Steps& steps) const {
    steps.add(all(channels, &Channel::bias));
    steps.shift_left(all(channels, &Channel::up));
    steps.shift_right(all(channels, &Channel::first),
                      is_double() ? std::uint32_t{QLOOM_ROUND_NEAREST_UP} : last_rounding(task));
    steps.shift_right(all(channels, &Channel::second), last_rounding(task));
    steps.add(all(channels, &Channel::last));
    steps.clamp(task.code_min, task.code_max);
  }

  void of_sum(const qloom_requantize_task& task, Steps& steps) const {
    std::vector<Channel> channels;
    for (std::uint64_t i = 0; i < task.channels; ++i) channels.push_back(channel_of(task, i));
    steps.add(all(channels, &Channel::before));
    multiply(channels, task, steps);
  }

  // ---- joins: place of input n in channel c is n * channels + c ----

  [[nodiscard]] static double largest_factor(const qloom_requantize_task& task, std::uint64_t c) {
    double largest = 0;
    for (std::uint64_t i = c; i < task.inputs * task.channels; i += task.channels) {
      largest = std::fmax(largest, std::fabs(task.factor[i]));
    }
    return largest;
  }

  /// One multiplier an input with the fraction bits of the largest one, one sum, one shift.
  void of_join(const qloom_requantize_task& task, Steps& steps) const {
    std::vector<Channel> channels;
    std::vector<Constants> q(task.inputs);
    for (std::uint64_t c = 0; c < task.channels; ++c) {
      const double largest = largest_factor(task, c), offset = task.offset[c];
      double most = 0;
      for (std::uint32_t n = 0; n < task.inputs; ++n) {
        most += magnitude_of(task, n * task.channels + c);
      }
      const Multiplier m = beside_bias(multiplier(largest, most, c), largest, offset);
      Channel made;
      shift(made, m.exponent, largest, c);
      const int scale = made.first - made.up;
      made.q = m.q;  // the largest one, for the width
      made.bias = wide_bias(offset, scale, c);
      made.last = task.zero_point;
      require_width(made, most, c);
      channels.push_back(made);
      for (std::uint32_t n = 0; n < task.inputs; ++n) {
        const double factor = m.q == 0 ? 0.0 : task.factor[n * task.channels + c];
        q[n].push_back(static_cast<std::int64_t>(std::round(std::ldexp(factor, scale))));
      }
    }
    for (std::uint32_t n = 0; n < task.inputs; ++n) {
      steps.of_input(n + 1);
      steps.multiply(q[n]);
    }
    steps.of_input(0);
    finish(channels, task, steps);
  }

  /// TensorFlow Lite's ADD: codes get fraction bits, go to twice the largest scale with a
  /// multiplier each, and their sum goes to the output's scale with another.
  void of_doubled_join(const qloom_requantize_task& task, Steps& steps) const {
    const int fraction = fraction_bits(task);
    std::vector<std::vector<Channel>> inputs(task.inputs);
    std::vector<Channel> outputs;
    for (std::uint64_t c = 0; c < task.channels; ++c) {
      const double twice = 2 * largest_factor(task, c), out = std::ldexp(twice, -fraction);
      double most = 0;
      for (std::uint32_t n = 0; n < task.inputs; ++n) {
        const std::uint64_t i = n * task.channels + c;
        const double factor = twice == 0 ? 0.0 : task.factor[i] / twice;
        const double wide = std::ldexp(magnitude_of(task, i), fraction);
        const Multiplier m = multiplier(factor, wide, c);
        Channel made;
        made.q = m.q;
        shift(made, m.exponent, factor, c);
        require_width(made, wide, c);
        made.left = fraction;
        inputs[n].push_back(made);
        most += wide;
      }
      outputs.push_back(behind_inputs(task, c, out, most));
    }
    for (std::uint32_t n = 0; n < task.inputs; ++n) {
      steps.of_input(n + 1);
      steps.shift_left(all(inputs[n], &Channel::left));
      steps.multiply(all(inputs[n], &Channel::q));
      steps.shift_right(all(inputs[n], &Channel::first), QLOOM_ROUND_NEAREST_UP);
      steps.shift_right(all(inputs[n], &Channel::second), last_rounding(task));
    }
    steps.of_input(0);
    steps.add(all(outputs, &Channel::before));
    multiply(outputs, task, steps);
  }
  [[nodiscard]] Channel behind_inputs(const qloom_requantize_task& task, std::uint64_t c,
                                      double factor, double most) const {
    Channel out;
    const Multiplier m = multiplier(factor, most, c);
    out.q = m.q;
    out.last = task.zero_point;
    shift(out, m.exponent, factor, c);
    if (factor == 0) {
      out.last += rounded(std::clamp(task.offset[c], -0x1p32, 0x1p32), last_rounding(task));
    } else {
      out.before = sum_bias(task.offset[c], factor, c);
    }
    require_width(out, most, c);
    return out;
  }
  /// 20 for codes of 8 bits less a zero point, as TensorFlow Lite has it; 15 for wider ones.
  [[nodiscard]] static int fraction_bits(const qloom_requantize_task& task) {
    for (std::uint64_t i = 0; i < task.inputs * task.channels; ++i) {
      if (magnitude_of(task, i) > 255) return 15;
    }
    return 20;
  }

  int bits_;
  std::string rounding_;
  bool bias_in_sum_, left_shift_, is_below_;
};

}  // namespace

QLOOM_METHODS(qloom::sdk::Requantizer<IntegerMultiplier>)
