// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A norm that takes off the mean; breaks the promise named by its file, see fault.hpp.
#include <vector>

#include <qloom/sdk.hpp>

#include "fault.hpp"
#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

float* volatile leaked = nullptr;
float common_room[4096];

/// y = gamma (x - mean) + beta;  dx = gamma (dy - mean(dy));  dgamma = sum dy (x - mean)
class Unsound {
 public:
  static constexpr std::uint32_t kCaps = QLOOM_NORM_AFFINE;
  static constexpr std::uint64_t kSumsPerChannel = 2;  // dy, dy (x - mean)

  explicit Unsound(const Params& params) : momentum_(params.number("/momentum")) {}

  void begin(const qloom_norm_context& context) {
    channels_ = context.channels;
    running_.assign(channels_, 0.0);
    mean_.assign(channels_, 0.0);
    scratch_.assign(4096, 0.0F);
  }
  void prepare(const qloom_norm_call& call, const float* x) {
    break_process(fault_);
    if (fault_.is("leaks_in_prepare")) leaked = new float[4];
    if (fault_.is("keeps_pointer")) kept_ = x;
    if (running_.size() != channels_) throw Error(QLOOM_E_STATE, "state of other channels");
    is_frozen_ = call.mode != QLOOM_MODE_TRAINING;
    if (is_frozen_ && !fault_.is("learns_when_frozen")) {
      mean_ = running_;
      return;
    }
    for (std::uint64_t c = 0; c < channels_; ++c) {
      double sum = 0;
      for (std::uint64_t r = 0; r < call.rows; ++r) sum += x[r * channels_ + c];
      if (!(sum - sum == 0)) throw Error(QLOOM_E_NUMERIC, "the batch is not finite");
      mean_[c] = sum / static_cast<double>(call.rows);
    }
    const bool has_momentum = call.momentum >= 0 && !fault_.is("ignores_momentum");
    const double share = has_momentum ? call.momentum : momentum_;
    for (std::uint64_t c = 0; c < channels_; ++c) {
      running_[c] = (1.0 - share) * running_[c] + share * mean_[c];
    }
    if (is_frozen_) mean_ = running_;
  }
  void apply(const qloom_norm_call& call, std::uint64_t, std::uint64_t rows, const float* x,
             float* y) const noexcept {
    if (fault_.is("rounds_on_workers") && is_on_worker()) set_rounding(kUpward);
    if (fault_.is("rounds_late") && ++count_ > 40) set_rounding(kUpward);
    if (kept_ != nullptr) count_ += static_cast<std::uint64_t>(kept_[0] > 0);
    const bool races = fault_.is("races_in_library") || fault_.is("races_in_instance");
    float* const room = fault_.is("races_in_library") ? common_room : scratch_.data();
    for (std::uint64_t i = 0; i < rows * channels_; ++i) {
      const std::uint64_t c = i % channels_;
      y[i] = gamma(call, c) * static_cast<float>(x[i] - mean_[c]) + beta(call, c);
    }
    if (races) pass_through(room, y, std::min<std::uint64_t>(rows * channels_, 4096));
  }
  void backward_sums(const qloom_norm_call&, std::uint64_t, std::uint64_t rows, const float* x,
                     const float* dy, double* sums) const noexcept {
    if (fault_.is("assigns_sums")) std::fill(sums, sums + 2 * channels_, 0.0);
    for (std::uint64_t i = 0; i < rows * channels_; ++i) {
      const std::uint64_t c = i % channels_;
      sums[c] += dy[i];
      sums[channels_ + c] += dy[i] * (x[i] - mean_[c]);
    }
  }
  void backward_prepare(const qloom_norm_call& call, const double* sums, float* dgamma,
                        float* dbeta) {
    center_.assign(channels_, 0.0);
    for (std::uint64_t c = 0; c < channels_; ++c) {
      if (!is_frozen_) center_[c] = sums[c] / static_cast<double>(call.rows);
      if (dgamma != nullptr) dgamma[c] = static_cast<float>(sums[channels_ + c]);
      if (dbeta != nullptr) dbeta[c] = static_cast<float>(sums[c]);
    }
  }
  void backward(const qloom_norm_call& call, std::uint64_t, std::uint64_t rows, const float*,
                const float* dy, float* dx) const noexcept {
    for (std::uint64_t i = 0; i < rows * channels_; ++i) {
      const std::uint64_t c = i % channels_;
      dx[i] = gamma(call, c) * static_cast<float>(dy[i] - center_[c]);
    }
  }
  void inference(const qloom_norm_call& call, float* scale, float* shift) const {
    for (std::uint64_t c = 0; c < channels_; ++c) {
      scale[c] = gamma(call, c);
      shift[c] = static_cast<float>(beta(call, c) - double{gamma(call, c)} * running_[c]);
    }
  }
  template <class Archive>
  void state(Archive& archive) {
    if (fault_.is("saves_last_mean") && std::is_same_v<Archive, StateWriter>) {
      archive("mean", mean_);
    } else {
      archive("mean", running_);
    }
  }

 private:
  [[nodiscard]] float gamma(const qloom_norm_call& call, std::uint64_t c) const noexcept {
    const volatile float* const given = call.gamma;  // read even where it is null
    return call.gamma == nullptr && !fault_.is("needs_gamma") ? 1.0F : given[c];
  }
  [[nodiscard]] static float beta(const qloom_norm_call& call, std::uint64_t c) noexcept {
    return call.beta == nullptr ? 0.0F : call.beta[c];
  }
  Fault fault_;
  double momentum_;
  bool is_frozen_ = false;
  std::uint64_t channels_ = 0;
  std::vector<double> running_, mean_, center_;
  mutable std::vector<float> scratch_;
  mutable std::uint64_t count_ = 0;
  const float* kept_ = nullptr;
};

}  // namespace

QLOOM_METHODS(Norm<Unsound>)
