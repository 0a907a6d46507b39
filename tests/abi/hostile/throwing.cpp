// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A range estimator that throws where the macro HOSTILE_THROWS_<PLACE> says.
#include <qloom/sdk.hpp>

#include <stdexcept>

#include "qloom_manifest.h"

namespace {

class Throwing {
 public:
  explicit Throwing(const qloom::sdk::Params&) {
#if defined(HOSTILE_THROWS_ERROR)
    throw std::runtime_error("no table fits");
#elif defined(HOSTILE_THROWS_NUMBER)
    throw 42;
#endif
  }
  void begin(const qloom_range_context&, std::uint32_t) {}
  void observe(const qloom_tensor& x) {
    if (x.n > 2) throw qloom::sdk::Error(QLOOM_E_NUMERIC, "element 2 is NaN");
  }
  void ranges(std::span<qloom_range> out) const { out[0] = {0.0, 1.0}; }
};

}  // namespace

QLOOM_METHODS(qloom::sdk::Range<Throwing>)
