// @ID@: see plugin.json for what it does. The places to change are marked CHANGE.
#include <algorithm>
#include <limits>

#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// UniformGrid brings apply, encode, decode and encoding; this class fills in the steps.
/// CHANGE: values on no such grid need apply() of their own, see qloom/kinds/quantizer.hpp.
class Method : public UniformGrid {
 public:
  /// prepare() gets the tensor at every step. QLOOM_QUANTIZER_WANTS_RANGE: in.ranges instead, of
  /// the range estimator that the pipeline names. QLOOM_QUANTIZER_WANTS_EXTREMES: in.ranges with
  /// the tensor's own smallest and largest values, which cost no pass over it.
  static constexpr std::uint32_t kCaps =
      QLOOM_QUANTIZER_WANTS_TENSOR | QLOOM_QUANTIZER_USES_ROUNDING;

  explicit Method(const Params& params)
      : bits_of_code_(params.integer("/bits")), width_(params.number("/width")) {
    set_codes(bits_of_code_, true, true);  // -max_ .. max_
  }

  /// CHANGE: from the tensor (in.x) to one step per group. Once a step, alone on the object; what
  /// is wrong is thrown as Error.
  void prepare(const qloom_prepare& in) {
    resize(in.x.groups);
    const auto sums = finite_abs_sums(in.x), counts = reduce(in.x, QLOOM_REDUCE_COUNT);
    for (std::size_t g = 0; g < sums.size(); ++g) {
      const double end = width_ * sums[g] / std::max(counts[g], 1.0);
      const auto scale = static_cast<float>(
          std::clamp(end / max_, double{std::numeric_limits<float>::min()}, 1e37));
      set(g, scale, 1.0F / scale);
    }
  }

  /// CHANGE: the gradient of x from that of y. Many threads call it on parts of the tensor: const,
  /// noexcept, no memory of its own. Without this function it is passed on as it is.
  void backward(const qloom_call& call, const qloom_block& block, const float* x, const float* dy,
                float* dx, double*) const noexcept {
    masked_backward(call, block, x, dy, dx);
  }

  void context(qloom_range_context& out) const {  // only asked for with WANTS_RANGE
    out.bits = static_cast<std::uint32_t>(bits_of_code_);
    out.is_signed = out.symmetric = 1;
  }

 private:
  std::int64_t bits_of_code_;
  double width_;
};

}  // namespace

QLOOM_METHODS(Quantizer<Method>)
