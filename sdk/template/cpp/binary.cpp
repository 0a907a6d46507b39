// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A quantizer to copy. Change plugin.json first: id, summary, formula, reference, parameters.
#include <vector>

#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

/// Two values per group, -a and +a with a = mean|x| (Rastegari and others, 2016, equation 6).
///
/// shape:       one a per group
/// range:       0 gives +a; NaN gives -a
class Binary {
 public:
  // prepare() gets the tensor at every step. Other needs: QLOOM_QUANTIZER_* in abi.h.
  static constexpr std::uint32_t kCaps = QLOOM_QUANTIZER_WANTS_TENSOR;

  explicit Binary(const qloom::sdk::Params& params)
      : clip_(static_cast<float>(params.number("/clip"))) {}

  /// Whole-tensor work, once a step. The host's reductions are parallel and give the same bits for
  /// any number of threads.
  void prepare(const qloom_prepare& in) {
    const auto sums = qloom::sdk::reduce(in.x, QLOOM_REDUCE_ABS_SUM);
    const auto counts = qloom::sdk::reduce(in.x, QLOOM_REDUCE_COUNT);
    a_.assign(sums.size(), 0.0F);
    for (std::size_t g = 0; g < sums.size(); ++g) {
      if (counts[g] > 0) a_[g] = static_cast<float>(sums[g] / counts[g]);
    }
  }

  /// Called from many threads on parts of the tensor: const, noexcept, no memory of its own.
  void apply(const qloom_call&, const qloom_block& block, const float* x,
             float* y) const noexcept {
    qloom::sdk::for_each_run(block, [&](std::uint64_t i, std::uint64_t n, std::uint64_t g) {
      for (std::uint64_t end = i + n; i < end; ++i) y[i] = x[i] >= 0 ? a_[g] : -a_[g];
    });
  }
  void backward(const qloom_call&, const qloom_block& block, const float* x, const float* dy,
                float* dx, double*) const noexcept {
    for (std::uint64_t i = 0; i < block.n; ++i) {
      dx[i] = x[i] >= -clip_ && x[i] <= clip_ ? dy[i] : 0.0F;
    }
  }

 private:
  float clip_;
  std::vector<float> a_;
};

}  // namespace

QLOOM_METHODS(qloom::sdk::Quantizer<Binary>)
