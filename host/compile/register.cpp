// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/compile/register.hpp"

#include "host/compile/operands.hpp"

#include <algorithm>

#include "host/program/ranges.hpp"
#include "host/tensor/random.hpp"

#include <fmt/format.h>

namespace qloom::compile {
namespace {

using program::Overflow;
using program::Register;

constexpr std::int64_t kProbeRows = 4, kProbeColumns = 3;
constexpr int kWidestProbe = 48;  // a double holds every sum on the way

/// Products of `bits` bits and less, most of one sign, so that sums leave the register again and
/// again.
struct Products {
  std::int64_t k;
  std::vector<float> a, b;

  Products(std::int64_t count, int bits, std::uint64_t seed) : k(count) {
    const int left = std::clamp(bits / 2, 1, 20), right = std::clamp(bits - left, 1, 20);
    for (std::int64_t i = 0; i < kProbeRows * k; ++i) a.push_back(code(seed, i, left));
    for (std::int64_t i = 0; i < kProbeColumns * k; ++i) b.push_back(code(seed + 1, i, right));
  }
  static float code(std::uint64_t seed, std::int64_t i, int bits) {
    const std::uint32_t word = random_word(seed, 0, 0, static_cast<std::uint64_t>(i));
    const auto magnitude = static_cast<float>(word >> 3 & ((1U << bits) - 1));
    return (word & 7U) < 2 ? -magnitude : magnitude;
  }
  [[nodiscard]] std::int64_t product(std::int64_t row, std::int64_t column, std::int64_t i) const {
    return static_cast<std::int64_t>(a[static_cast<std::size_t>(row * k + i)]) *
           static_cast<std::int64_t>(b[static_cast<std::size_t>(i * kProbeColumns + column)]);
  }
};

std::vector<double> sums_of(const contraction::AccumulatorRef& accumulator, const Products& p) {
  std::vector<double> c(kProbeRows * kProbeColumns);
  const qloom_tile tile{p.a.data(), p.b.data(),    c.data(),
                        p.k,        kProbeColumns, kProbeColumns,
                        kProbeRows, kProbeColumns, static_cast<std::uint64_t>(p.k),
                        0,          kProbeColumns};
  qloom_error error{sizeof(qloom_error), QLOOM_OK, {}};
  qloom_call call = accumulator.call;
  call.error = &error;
  std::uint64_t overflows = 0;
  const qloom_status status =
      accumulator.ops->accumulate(accumulator.self, &call, &tile, &overflows);
  if (status != QLOOM_OK) c.clear();
  return c;
}

/// The same by the definition of a program's register.
std::vector<double> sums_of(const Register& sum, const Products& p) {
  const steps::Interval values = program::values_of(sum);
  std::vector<double> c;
  for (std::int64_t row = 0; row < kProbeRows; ++row) {
    for (std::int64_t column = 0; column < kProbeColumns; ++column) {
      std::int64_t s = 0;
      for (std::int64_t i = 0; i < p.k; ++i) {
        s += p.product(row, column, i);
        if (sum.overflow == Overflow::kSaturate) s = std::clamp(s, values.lo, values.hi);
        const int unused = 64 - sum.bits;
        s = static_cast<std::int64_t>(static_cast<std::uint64_t>(s) << unused) >> unused;
      }
      c.push_back(static_cast<double>(s));
    }
  }
  return c;
}

}  // namespace

std::optional<Register> register_of(const contraction::AccumulatorRef& accumulator,
                                    std::int64_t k) {
  if ((accumulator.ops->caps & QLOOM_ACCUMULATOR_INTEGER) == 0) return std::nullopt;
  const auto bits = static_cast<int>(accumulator.ops->bits(accumulator.self));
  if (bits < 2 || bits > kWidestProbe) return std::nullopt;
  for (const Overflow overflow : {Overflow::kWrap, Overflow::kSaturate}) {
    const Register sum{bits, overflow, bits};
    bool is_same = true;
    for (std::uint64_t seed = 1; seed <= 8 && is_same; ++seed) {
      const Products products(k, bits - static_cast<int>(seed % 4), 2 * seed);
      is_same = sums_of(accumulator, products) == sums_of(sum, products);
    }
    if (is_same) return sum;
  }
  return std::nullopt;
}

steps::Interval held(const Register& sum, steps::Interval exact) {
  const steps::Interval values = program::values_of(sum);
  return exact.lo >= values.lo && exact.hi <= values.hi ? exact : values;
}

bool take_register(Draft& draft, Interval sums, const contraction::AccumulatorRef& accumulator,
                   program::Op& op) {
  constexpr int kWidest = 62;  // of a program's registers
  op.sum.needed = std::max(2, steps::bits_of({std::min<std::int64_t>(sums.lo, -1), sums.hi}));
  if (is_modelled(accumulator)) {
    const int needed = op.sum.needed;
    op.sum = *register_of(accumulator, op.window.fan_in());
    op.sum.needed = needed;
    if (needed <= op.sum.bits) op.sum.overflow = program::Overflow::kNever;
    return true;
  }
  op.sum.bits = op.sum.needed <= 32 ? 32 : kWidest;
  if (op.sum.needed <= kWidest) return true;
  draft.refuse({op.name,
                fmt::format("its sums need {} bits, at most {} are there", op.sum.needed, kWidest),
                {}});
  return false;
}

}  // namespace qloom::compile
