// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Stochastic rounding that breaks the promise named by its file, see fault.hpp.
#include <cmath>

#include <qloom/sdk.hpp>

#include "fault.hpp"
#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

float common_room[16384];

class Unsound {
 public:
  explicit Unsound(const Params&) { break_process(fault_); }

  void round(const qloom_call& call, std::uint64_t first, const float* x, float* y,
             std::uint64_t n) const noexcept {
    if (fault_.is("counts_calls")) ++count_;
    if (fault_.is("rounds_late") && ++count_ > 100) set_rounding(kUpward);
    if (fault_.is("clears_first")) {
      for (std::uint64_t i = 0; i < n; ++i) y[i] = 0;
    }
    for (std::uint64_t i = 0; i < n; ++i) y[i] = rounded(call, first, x[i], i);
    if (fault_.is("races_in_library")) {
      pass_through(common_room, y, std::min<std::uint64_t>(n, std::size(common_room)));
    }
  }
  bool lower(std::uint32_t& rule, std::uint32_t&) const noexcept {
    rule = QLOOM_ROUND_NEAREST_EVEN;
    return fault_.is("lowers_wrongly");
  }

 private:
  [[nodiscard]] float rounded(const qloom_call& call, std::uint64_t first, float x,
                              std::uint64_t i) const noexcept {
    const std::uint64_t seed = fault_.is("ignores_seed") ? 1 : call.seed;
    const std::uint64_t stream = fault_.is("ignores_stream") ? 1 : call.stream;
    const std::uint64_t step = fault_.is("ignores_step") ? 1 : call.step;
    std::uint32_t word = 0;
    kernels().random_u32(seed, stream, step, fault_.is("counts_from_zero") ? i : first + i, &word,
                         1);
    if (fault_.is("casts_to_int") && x == x) {
      return static_cast<float>(static_cast<int>(std::fmax(std::fmin(x, 2e9F), -2e9F)));
    }
    const float below = std::floor(x), part = x - below;
    return part > static_cast<float>(word >> 8) * 0x1p-24F ? below + 1.0F : below;
  }
  Fault fault_;
  mutable std::uint64_t count_ = 0;
};

/// Says that it draws nothing where that is the fault.
struct Method : Rounding<Unsound> {
  static qloom_status create(const qloom_host* host, const qloom_params* params,
                             const qloom_site* site, qloom_instance* out,
                             qloom_error* error) noexcept {
    static constexpr qloom_rounding kDrawsNothing{
        sizeof(qloom_rounding), QLOOM_ROUNDING_DRAWS_NOTHING, kTable.round, kTable.lower};
    const qloom_status status = Rounding<Unsound>::create(host, params, site, out, error);
    if (status == QLOOM_OK && Fault().is("draws_anyway")) out->ops = &kDrawsNothing;
    return status;
  }
};

}  // namespace

QLOOM_METHODS(Method)
