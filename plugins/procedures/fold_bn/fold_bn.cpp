// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <cstring>
#include <string>

#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// Folds every norm whose only producer is a contraction (Jacob et al., 2018, section 3.2).
///
/// The norm's inference form is y = scale[c] * x + shift[c], so W'[c, ...] = W[c, ...] * scale[c]
/// and b'[c] = b[c] * scale[c] + shift[c], each product and sum rounded once to float32. A norm
/// with no contraction of its own stays; the report's series "norms_folded" and "norms_left" say
/// how many there were.
class FoldBn {
 public:
  static constexpr std::uint32_t kCaps = 1U << QLOOM_EVENT_PREPARE | 1U << QLOOM_EVENT_FINALIZE;

  explicit FoldBn(const Params& p)
      : event_(p.text("/at") == "prepare" ? QLOOM_EVENT_PREPARE : QLOOM_EVENT_FINALIZE) {}

  void on(Run& run, const qloom_event& event) const {
    if (event.event != event_) return;
    std::uint64_t index = 0, folded = 0;
    for (const qloom_run_norm& norm : run.norms()) {
      if (norm.producer == nullptr) {
        ++index;  // stays; the next norm keeps its place
        continue;
      }
      fold(run, index, norm);
      ++folded;
    }
    run.report("norms_folded", static_cast<double>(folded));
    run.report("norms_left", static_cast<double>(index));
  }

 private:
  static void fold(Run& run, std::uint64_t index, const qloom_run_norm& norm) {
    std::vector<float> scale(norm.channels), shift(norm.channels);
    run.norm_inference(index, scale.data(), shift.data());
    const std::string producer = norm.producer;
    run.remove_norm(index);
    for (const RunTensor& t : run.tensors()) {
      if (producer != t.layer) continue;
      scale_shift(t, t.value, scale, shift);
      float* const shadow = run.shadow(t.index);  // averaged weights
      if (shadow != nullptr) scale_shift(t, shadow, scale, shift);
    }
  }
  static void scale_shift(const qloom_run_tensor& t, float* values, const std::vector<float>& scale,
                          const std::vector<float>& shift) {
    const std::uint64_t row = t.n / scale.size();
    for (std::uint64_t i = 0; i < t.n; ++i) {
      values[i] *= scale[i / row];
      if (t.role == QLOOM_ROLE_BIAS) values[i] += shift[i];
    }
  }
  std::uint32_t event_;
};

}  // namespace

QLOOM_METHODS(qloom::sdk::Procedure<FoldBn>)
