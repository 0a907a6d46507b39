// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>

#include <qloom/chosen_layers.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// What XNOR-Net's code does to the stored weights before each step (Rastegari et al., 2016): off
/// goes their mean over the input channels, for each filter and place of the kernel; then they are
/// clipped to [-1, 1]. At the end of training once more, so that evaluation sees such weights too.
/// The mean of one input channel would leave nothing and is not taken off.
///
/// exactness: means in double, channels ascending
class XnorTrain {
 public:
  static constexpr std::uint32_t kCaps = 1U << QLOOM_EVENT_BEFORE_STEP | 1U << QLOOM_EVENT_FINALIZE;

  explicit XnorTrain(const Params& params)
      : layers_(params), is_centered_(params.flag("/center")), is_clipped_(params.flag("/clip")) {}
  void on(Run& run, const qloom_event&) const {
    for (const qloom_run_tensor& t : layers_.weights(run)) {
      if (is_centered_) center(t);
      if (!is_clipped_) continue;
      for (std::uint64_t i = 0; i < t.n; ++i) t.value[i] = std::clamp(t.value[i], -1.0F, 1.0F);
    }
  }

 private:
  /// shape: filters, height and width of the kernel, input channels.
  static void center(const qloom_run_tensor& t) {
    const auto channels = static_cast<std::uint64_t>(t.shape[3]);
    if (channels < 2) return;
    for (std::uint64_t i = 0; i < t.n; i += channels) {
      float* const w = t.value + i;
      double sum = 0;
      for (std::uint64_t c = 0; c < channels; ++c) sum += w[c];
      const double mean = sum / static_cast<double>(channels);
      for (std::uint64_t c = 0; c < channels; ++c) w[c] = static_cast<float>(w[c] - mean);
    }
  }

  ChosenLayers layers_;
  bool is_centered_, is_clipped_;
};

}  // namespace

QLOOM_METHODS(qloom::sdk::Procedure<XnorTrain>)
