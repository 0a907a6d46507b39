// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <qloom/math/fixed_point.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;
using Constants = std::vector<std::int64_t>;

constexpr int kMostShift = 62;  // of a step
constexpr double kRegister = 0x1.fffffffffffp62;

[[noreturn]] void refuse(std::uint64_t channel, const std::string& reason) {
  throw Error(QLOOM_E_UNSUPPORTED, concat("channel ", channel, ": ", reason));
}

/// factor = sign * 2^-right; sign 0: the factor is 0.
struct Power {
  int sign = 0, right = 0;
};

/// The power of two that is nearest to |f| * 2^e by its ratio.
std::string nearest_power(double f, int e) {
  const int power = std::fabs(f) * std::fabs(f) < 0.5 ? e - 1 : e;
  return concat(f < 0 ? "-" : "", "2^", power, " = ", std::ldexp(f < 0 ? -1.0 : 1.0, power));
}

Power power_of(double factor, std::uint64_t channel) {
  if (factor == 0) return {};
  int e = 0;
  const double f = std::frexp(factor, &e);
  if (std::fabs(f) != 0.5) {
    refuse(channel,
           concat("factor ", factor, " is no power of two; the nearest is ", nearest_power(f, e)));
  }
  const Power power{f < 0 ? -1 : 1, 1 - e};
  if (std::abs(power.right) > kMostShift) {
    refuse(channel, concat("factor ", factor, " is a shift of ", power.right,
                           " bits, expected at most ", kMostShift));
  }
  return power;
}

/// Powers of two are shifts.
///
/// exactness: all but the bias, which is rounded half to even
class Shift {
 public:
  explicit Shift(const Params& params) : is_narrow_(params.text("/bias_scale") == "sum") {}

  void derive(const qloom_requantize_task& task, Steps& steps) const {
    std::vector<Constants> signs(task.inputs), lefts(task.inputs);
    Constants before, bias, right;
    for (std::uint64_t c = 0; c < task.channels; ++c) {
      const Channel made = channel_of(task, c);
      for (std::uint32_t i = 0; i < task.inputs; ++i) {
        signs[i].push_back(made.inputs[i].sign);
        lefts[i].push_back(made.right - made.inputs[i].right);
      }
      before.push_back(made.before);
      bias.push_back(made.bias);
      right.push_back(std::max(made.right, 0));
    }
    for (std::uint32_t i = 0; i < task.inputs; ++i) {
      steps.of_input(task.inputs == 1 ? 0 : i + 1);
      steps.multiply(signs[i]);
      if (task.inputs == 1) steps.add(before);
      steps.shift_left(lefts[i]);
    }
    steps.of_input(0);
    steps.add(bias);
    steps.shift_right(right, task.rounding);
    steps.add({task.zero_point});
    steps.clamp(task.code_min, task.code_max);
  }

 private:
  struct Channel {
    std::vector<Power> inputs;
    int right = 0;            ///< all inputs are brought to 2^-right, and 0 or more is shifted out
    std::int64_t before = 0;  ///< added to the only input, at its own scale
    std::int64_t bias = 0;    ///< added behind the left shifts
  };

  [[nodiscard]] Channel channel_of(const qloom_requantize_task& task, std::uint64_t c) const {
    Channel made;
    for (std::uint32_t i = 0; i < task.inputs; ++i) {
      made.inputs.push_back(power_of(task.factor[i * task.channels + c], c));
      made.right = std::max(made.right, made.inputs.back().right);
    }
    for (Power& power : made.inputs) {
      if (power.sign == 0) power.right = made.right;
    }
    const bool is_before = is_narrow_ && task.inputs == 1 && made.inputs[0].sign != 0;
    const int scale = is_before ? made.inputs[0].right : made.right;
    const double wide = std::ldexp(task.offset[c], scale);
    if (!(std::fabs(wide) < kRegister)) {
      refuse(c, concat("offset ", task.offset[c], " does not fit into 64 bits at a scale of 2^-",
                       scale));
    }
    (is_before ? made.before : made.bias) = nearest_even(wide);
    if (is_before && (made.before < INT32_MIN || made.before > INT32_MAX)) {
      refuse(c,
             concat("the bias at the sum's scale, ", made.before, ", does not fit into 32 bits"));
    }
    require_width(task, c, made);
    return made;
  }

  static void require_width(const qloom_requantize_task& task, std::uint64_t c,
                            const Channel& made) {
    double most = std::fabs(static_cast<double>(made.bias));
    for (std::uint32_t i = 0; i < task.inputs; ++i) {
      const std::uint64_t place = i * task.channels + c;
      const double value = std::fmax(std::fabs(static_cast<double>(task.sum_min[place])),
                                     std::fabs(static_cast<double>(task.sum_max[place]))) +
                           std::fabs(static_cast<double>(made.before));
      most += std::ldexp(value, made.right - made.inputs[i].right);
    }
    if (most < kRegister - 0x1p33) return;
    refuse(c, concat("values of magnitude ", most, " leave 64 bits"));
  }

  bool is_narrow_;
};

}  // namespace

QLOOM_METHODS(qloom::sdk::Requantizer<Shift>)
