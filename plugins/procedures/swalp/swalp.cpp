// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>
#include <vector>

#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// Stochastic weight averaging in low-precision training (Yang et al., 2019, algorithm 1).
///
/// Averages what the contractions see (the quantized weights), not the stored master values; the
/// average itself is float32. average shadow: evaluation uses it as it is, through shadows; value:
/// it becomes the stored weights, which the rules of the weights then quantize. In both cases the
/// norms' statistics are computed anew.
class Swalp {
 public:
  static constexpr std::uint32_t kCaps = 1U << QLOOM_EVENT_BEFORE_STEP |
                                         1U << QLOOM_EVENT_AFTER_STEP |
                                         1U << QLOOM_EVENT_AFTER_EPOCH | 1U << QLOOM_EVENT_FINALIZE;

  explicit Swalp(const Params& p)
      : start_epoch_(static_cast<std::uint64_t>(p.integer("/start_epoch"))),
        cycle_steps_(static_cast<std::uint64_t>(p.integer("/cycle_steps"))),
        retune_batches_(static_cast<std::uint64_t>(p.integer("/retune_batches"))),
        learning_rate_(p.number("/learning_rate")),
        is_value_(p.text("/average") == "value") {}

  void on(Run& run, const qloom_event& event) {
    const bool is_averaging = event.epoch >= start_epoch_;
    switch (event.event) {
      case QLOOM_EVENT_BEFORE_STEP:
        if (is_averaging && learning_rate_ > 0 && run.learning_rate() > 0) {
          run.scale_learning_rate(learning_rate_ / run.learning_rate());
        }
        break;
      case QLOOM_EVENT_AFTER_STEP:
        if (is_averaging && cycle_steps_ > 0 && (event.step + 1) % cycle_steps_ == 0) average(run);
        break;
      case QLOOM_EVENT_AFTER_EPOCH:
        // event.epoch counts the epoch that just ended: it was an averaging one if it began so.
        if (event.epoch > start_epoch_ && cycle_steps_ == 0) average(run);
        break;
      case QLOOM_EVENT_FINALIZE:
        finish(run);
        break;
    }
  }

  template <class Archive>
  void state(Archive& archive) {
    archive("average", average_);
    archive("count", count_);
  }

 private:
  void average(Run& run) {
    std::size_t offset = 0;
    for (const RunTensor& t : run.tensors()) {
      if (average_.size() < offset + t.n) {  // only for the first iterate
        if (count_ > 0) {
          throw Error(QLOOM_E_INVALID, concat("\"", t.layer, "\" came after averaging had begun"));
        }
        average_.resize(offset + t.n, 0.0F);
      }
      const auto m = static_cast<float>(count_);
      const float* const quantized = run.quantized(t.index);
      for (std::uint64_t i = 0; i < t.n; ++i) {
        average_[offset + i] = (average_[offset + i] * m + quantized[i]) / (m + 1.0F);
      }
      offset += t.n;
    }
    ++count_;
  }
  void finish(Run& run) const {
    run.report("averaged_iterates", static_cast<double>(count_));
    if (count_ == 0) return;
    std::size_t offset = 0, all = 0;
    for (const qloom_run_tensor& t : run.tensors()) all += t.n;
    if (all != average_.size()) {
      throw Error(QLOOM_E_INVALID,
                  concat("the model changed from ", average_.size(), " to ", all,
                         " values since they were averaged; list swalp before fold_bn"));
    }
    for (const RunTensor& t : run.tensors()) {
      if (is_value_) {
        std::copy_n(average_.data() + offset, t.n, t.value);
      } else {
        run.set_shadow(t.index, average_.data() + offset);
      }
      offset += t.n;
    }
    run.retune_norms(retune_batches_);
  }

  std::uint64_t start_epoch_, cycle_steps_, retune_batches_;
  double learning_rate_;
  bool is_value_;
  std::vector<float> average_;  // all tensors, one after the other
  std::int64_t count_ = 0;      // averaged iterates
};

}  // namespace

QLOOM_METHODS(qloom::sdk::Procedure<Swalp>)
