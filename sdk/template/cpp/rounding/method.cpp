// @ID@: see plugin.json for what it does. The places to change are marked CHANGE.
#include <cmath>

#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

class Method {
 public:
  /// y depends on x alone: leave this out where a random word is drawn.
  static constexpr std::uint32_t kCaps = QLOOM_ROUNDING_DRAWS_NOTHING;

  explicit Method(const Params& params)
      : threshold_(static_cast<float>(params.number("/smallest_fraction"))) {}

  /// x in grid steps; y must be an integer, and may be the same memory as x. Element i of a tensor
  /// is element first + i here, so that a random rounding draws its word:
  ///   kernels().random_u32(call.seed, call.stream, call.step, first, words, n);
  /// Many threads call this on parts of a tensor: const, noexcept, no memory of its own.
  void round(const qloom_call&, std::uint64_t, const float* x, float* y,
             std::uint64_t n) const noexcept {
    vectorized([=, threshold = threshold_] {
      for (std::uint64_t i = 0; i < n; ++i) {  // CHANGE: one element
        const float whole = std::trunc(x[i]);
        const float step = std::fabs(x[i] - whole) >= threshold ? 1.0F : 0.0F;
        y[i] = whole + std::copysign(step, x[i]);
      }
    });
  }

 private:
  float threshold_;
};

}  // namespace

QLOOM_METHODS(Rounding<Method>)
