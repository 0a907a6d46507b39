// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Sums of whole numbers that saturate; breaks the promise named by its file, see fault.hpp.
#include <cmath>
#include <vector>

#include <qloom/sdk.hpp>

#include "fault.hpp"
#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

double common_room[16384];

class Unsound {
 public:
  static constexpr std::uint32_t kCaps = QLOOM_ACCUMULATOR_USES_ROUNDING;

  explicit Unsound(const Params& params)
      : bits_(static_cast<std::uint32_t>(params.integer("/bits"))),
        end_(std::ldexp(1.0, static_cast<int>(bits_) - 1) - 1.0) {
    break_process(fault_);
    scratch_.resize(16384);
  }

  qloom_status accumulate(const qloom_call& call, const qloom_tile& t,
                          std::uint64_t& overflows) const noexcept {
    qloom_status status = QLOOM_OK;
    std::uint64_t count = 0;
    if (fault_.is("counts_calls")) ++calls_;
    if (fault_.is("rounds_late") && ++calls_ > 40) set_rounding(kUpward);
    for (std::uint64_t i = 0; i < t.m * t.n; ++i) {
      const std::uint64_t row = i / t.n, column = i % t.n;
      double& c = t.c[row * static_cast<std::uint64_t>(t.ldc) + column];
      const double before = c;
      c = sum(call, t, row, column, count, status);
      if (fault_.is("adds_to_c")) c += before;
    }
    overflows = count + (fault_.is("assigns_overflows") ? 0 : overflows);
    if (fault_.is("changes_operand") && t.k > 2) const_cast<float*>(t.a)[2] = 0.0F;
    const bool races = fault_.is("races_in_library") || fault_.is("races_in_instance");
    if (races) pass_through_room(t);
    return status;
  }
  [[nodiscard]] std::uint32_t bits() const noexcept { return bits_; }
  [[nodiscard]] bool is_exact() const noexcept { return fault_.is("claims_exactness"); }

 private:
  [[nodiscard]] double sum(const qloom_call& call, const qloom_tile& t, std::uint64_t row,
                           std::uint64_t column, std::uint64_t& count,
                           qloom_status& status) const noexcept {
    qloom_call used = call;
    if (fault_.is("ignores_stream")) used.stream = 0;
    const bool is_blind = fault_.is("ignores_pitch");
    const auto lda = is_blind ? t.k : static_cast<std::uint64_t>(t.lda);
    const std::uint64_t place =
        fault_.is("ignores_place") ? 0 : t.first + row * t.row_step + column;
    double s = 0;
    for (std::uint64_t k = 0; k < t.k; ++k) {
      float p = t.a[row * lda + k] * t.b[k * static_cast<std::uint64_t>(t.ldb) + column];
      const qloom_status now = kernels().round(&used, place * t.k + k, &p, &p, 1);
      if (now != QLOOM_OK) status = now;
      s += p;
      if (s >= -end_ && s <= end_) continue;
      ++count;
      s = s < 0 ? -end_ : end_;
    }
    return s;
  }
  void pass_through_room(const qloom_tile& t) const noexcept {
    double* const room = fault_.is("races_in_library") ? common_room : scratch_.data();
    for (std::uint64_t row = 0; row < t.m; ++row) {
      pass_through(room, t.c + row * static_cast<std::uint64_t>(t.ldc), t.n);
    }
  }
  Fault fault_;
  std::uint32_t bits_;
  double end_;
  mutable std::vector<double> scratch_;
  mutable std::uint64_t calls_ = 0;
};

}  // namespace

QLOOM_METHODS(Accumulator<Unsound>)
