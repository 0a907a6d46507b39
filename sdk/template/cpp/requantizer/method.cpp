// @ID@: see plugin.json for what it does. The places to change are marked CHANGE.
#include <cmath>

#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

class Method {
 public:
  explicit Method(const Params& params)
      : fraction_bits_(params.integer("/fraction_bits")),
        steps_(std::ldexp(1.0, static_cast<int>(fraction_bits_))) {}

  /// Answers with the integer steps that the hardware does; the host proves that none of them
  /// leaves 64 bits, and simulates, executes and prints them. CHANGE: your hardware's steps.
  void derive(const qloom_requantize_task& task, Steps& steps) const {
    for (std::uint32_t input = 0; input < task.inputs; ++input) {
      std::vector<std::int64_t> q;
      for (std::uint64_t channel = 0; channel < task.channels; ++channel) {
        const std::uint64_t i = input * task.channels + channel;
        const double most = std::fmax(std::fabs(static_cast<double>(task.sum_min[i])),
                                      std::fabs(static_cast<double>(task.sum_max[i])));
        q.push_back(fixed(task.factor[i], most, channel));
      }
      if (task.inputs > 1) steps.of_input(input + 1);  // of a join, before the sum
      steps.multiply(q);
    }
    std::vector<std::int64_t> b;
    for (std::uint64_t c = 0; c < task.channels; ++c) b.push_back(fixed(task.offset[c], 1, c));
    steps.of_input(0);  // behind the sum
    steps.add(b);
    steps.shift_right({fraction_bits_}, task.rounding);
    steps.add({task.zero_point});
    steps.clamp(task.code_min, task.code_max);
  }

 private:
  /// round(x * 2^fraction_bits), to be multiplied with at most `most`. What a method cannot do it
  /// refuses, with the channel.
  [[nodiscard]] std::int64_t fixed(double x, double most, std::uint64_t channel) const {
    const double q = std::round(x * steps_);
    const bool is_wide = std::fabs(q) * most >= 0x1p59;  // several of them have room in 64 bits
    if (is_wide || std::fabs(q / steps_ - x) * most > 0.5) {
      throw Error(QLOOM_E_UNSUPPORTED, concat("channel ", channel, ": ", x, " times ", most,
                                              is_wide ? " is too large" : " is not near enough"));
    }
    return static_cast<std::int64_t>(q);
  }

  std::int64_t fraction_bits_;
  double steps_;
};

}  // namespace

QLOOM_METHODS(Requantizer<Method>)
