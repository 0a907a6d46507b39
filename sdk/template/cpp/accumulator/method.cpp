// @ID@: see plugin.json for what it does. The places to change are marked CHANGE.
#include <cmath>

#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// Registers count in steps of 2^-fraction_bits; double holds them without rounding.
class Method {
 public:
  /// Operands are real values. QLOOM_ACCUMULATOR_INTEGER: integer codes, as float.
  static constexpr std::uint32_t kCaps = 0;

  explicit Method(const Params& params)
      : bits_(static_cast<std::uint32_t>(params.integer("/bits"))),
        steps_(std::ldexp(1.0, static_cast<int>(params.integer("/fraction_bits")))),
        end_(std::ldexp(1.0, static_cast<int>(bits_) - 1)) {}

  /// c = a * b, m x k times k x n, each sum in the order of k. Many threads call this on parts of
  /// the result: const, noexcept, no memory of its own.
  void accumulate(const qloom_call&, const qloom_tile& t, std::uint64_t& overflows) const noexcept {
    for (std::uint64_t i = 0; i < t.m * t.n; ++i) {
      const auto row = static_cast<std::int64_t>(i / t.n);
      const auto column = static_cast<std::int64_t>(i % t.n);
      double sum = 0;
      for (std::int64_t k = 0; k < static_cast<std::int64_t>(t.k); ++k) {
        sum = add(sum, t.a[row * t.lda + k], t.b[k * t.ldb + column], overflows);
      }
      t.c[row * t.ldc + column] = sum / steps_;
    }
  }
  /// Width of a register, for the report. Unit: bits.
  [[nodiscard]] std::uint32_t bits() const noexcept { return bits_; }

 private:
  /// CHANGE: what the hardware does with one product.
  [[nodiscard]] double add(double sum, float a, float b, std::uint64_t& overflows) const noexcept {
    sum += std::trunc(double{a} * b * steps_);
    if (sum >= -end_ && sum <= end_ - 1) return sum;
    ++overflows;
    return sum < 0 ? -end_ : end_ - 1;
  }

  std::uint32_t bits_;
  double steps_, end_;  // steps in 1; registers hold -end_ .. end_ - 1
};

}  // namespace

QLOOM_METHODS(Accumulator<Method>)
