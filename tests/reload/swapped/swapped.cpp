// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Built with different factors: what a rebuilt plugin looks like to a running experiment.
#include <cfenv>

#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

class Swapped {
 public:
  explicit Swapped(const Params&) {}
  void prepare(const qloom_prepare&) {
    ++calls_[0];
#if defined(SWAPPED_FAILS)
    throw Error(QLOOM_E_INVALID, "this build cannot do a step");
#elif defined(SWAPPED_ROUNDS_UP)
    std::fesetround(FE_UPWARD);
#endif
  }
  void apply(const qloom_call&, const qloom_block& block, const float* x, float* y) const noexcept {
    for (std::uint64_t i = 0; i < block.n; ++i) y[i] = x[i] * SWAPPED_FACTOR;
  }
  template <class Archive>
  void state(Archive& a) {
#ifdef SWAPPED_REFUSES
    throw Error(QLOOM_E_STATE, "this build knows no old state");
#endif
    a("calls", calls_);
  }

 private:
  std::vector<double> calls_{0};
};

}  // namespace

QLOOM_METHODS(Quantizer<Swapped>)
