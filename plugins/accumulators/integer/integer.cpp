// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// A two's-complement register that takes one product at a time, k ascending.
///
/// range:     whole numbers of at most 2^24; who calls sees to it
/// exactness: equal to the scalar loop s = fit(s + a * b) in 64-bit integers
class Integer {
 public:
  static constexpr std::uint32_t kCaps = QLOOM_ACCUMULATOR_INTEGER;

  explicit Integer(const Params& params)
      : bits_(static_cast<std::uint32_t>(params.integer("/bits"))),
        wrap_(params.text("/overflow") == "wrap" ? 1 : 0) {}
  void accumulate(const qloom_call&, const qloom_tile& tile,
                  std::uint64_t& overflows) const noexcept {
    kernels().accumulate_integer(&tile, bits_, wrap_, &overflows);
  }
  [[nodiscard]] std::uint32_t bits() const noexcept { return bits_; }

 private:
  std::uint32_t bits_, wrap_;
};

}  // namespace

QLOOM_METHODS(qloom::sdk::Accumulator<Integer>)
