// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What the tests of the compute core share: inputs, calls, bit comparison, a rounding method that
// the kernels do not know.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <qloom/abi.h>
#include <qloom/stochastic.h>

#include "host/kernels/kernels.hpp"
#include "host/kernels/reference/affine.hpp"
#include "host/kernels/reference/round.hpp"

namespace qloom::kernels::test {

inline constexpr std::uint64_t kSeed = 0x0123456789ABCDEF, kStream = 0xFEDCBA9876543210, kStep = 77;
inline constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// A test that runs on every instruction set this machine has.
class EveryIsa : public testing::TestWithParam<Isa> {
 protected:
  [[nodiscard]] static const qloom_kernels& kernels() { return table(GetParam()); }
};

inline std::string isa_name(const testing::TestParamInfo<Isa>& param) { return name(param.param); }

#define QLOOM_ON_EVERY_ISA(Subject) \
  INSTANTIATE_TEST_SUITE_P(OnEveryIsa, Subject, testing::ValuesIn(runnable()), isa_name)

inline qloom_call call_with(std::uint32_t rule, std::uint32_t argument = 0) {
  qloom_call call{};
  call.struct_size = sizeof(call);
  call.seed = kSeed;
  call.stream = kStream;
  call.step = kStep;
  call.rounding.rule = rule;
  call.rounding.argument = argument;
  return call;
}

inline constexpr std::uint32_t kMagnitude = QLOOM_STOCHASTIC_MAGNITUDE,
                               kNearestFraction = QLOOM_STOCHASTIC_NEAREST_FRACTION;

/// One rounding rule with its argument.
struct RuleCase {
  std::uint32_t rule, argument;
};
inline const std::vector<RuleCase>& rule_cases() {
  static const std::vector<RuleCase> cases{{1, 0},
                                           {2, 0},
                                           {3, 0},
                                           {4, 0},
                                           {5, 0},
                                           {6, 0},
                                           {7, 1},
                                           {7, 8},
                                           {7, 24},
                                           {7, 25},
                                           {7, 32},
                                           {8, 0},
                                           {7, 1 | kMagnitude},
                                           {7, 24 | kMagnitude},
                                           {7, 25 | kMagnitude},
                                           {7, 2 | kNearestFraction},
                                           {7, 32 | kNearestFraction},
                                           {7, 9 | kMagnitude | kNearestFraction}};
  return cases;
}

/// The rule of `rule_case` as a method the kernels must call: the generic path.
class Method {
 public:
  explicit Method(RuleCase rule_case) : case_(rule_case) {
    ops_.struct_size = sizeof(ops_);
    ops_.round = [](const void* self, const qloom_call* call, std::uint64_t first, const float* x,
                    float* y, std::uint64_t n) noexcept -> qloom_status {
      const auto& method = *static_cast<const Method*>(self);
      qloom_call inner = *call;
      inner.rounding = {nullptr, nullptr, method.case_.rule, method.case_.argument};
      if (method.case_.rule == QLOOM_ROUND_STOCHASTIC) {
        inner.rounding.argument |=
            call->rounding.argument & std::uint32_t{QLOOM_STOCHASTIC_MAGNITUDE};
      }
      return ref::round(&inner, first, x, y, n);
    };
  }
  Method(const Method&) = delete;
  Method& operator=(const Method&) = delete;
  [[nodiscard]] qloom_call call() const {
    qloom_call call = call_with(QLOOM_ROUND_GENERIC);
    call.rounding = {this, &ops_, QLOOM_ROUND_GENERIC, 0};
    return call;
  }

 private:
  RuleCase case_;
  qloom_rounding ops_{};
};

inline std::uint32_t bits(float x) { return std::bit_cast<std::uint32_t>(x); }
inline float from_bits(std::uint32_t b) { return std::bit_cast<float>(b); }

/// First index where the bits differ, or -1.
inline std::int64_t first_difference(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) return 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (bits(a[i]) != bits(b[i])) return static_cast<std::int64_t>(i);
  }
  return -1;
}

#define EXPECT_SAME_BITS(actual, expected, input)                                                \
  do {                                                                                           \
    const std::int64_t at = first_difference(actual, expected);                                  \
    EXPECT_EQ(at, -1) << "input " << (input)[static_cast<std::size_t>(at < 0 ? 0 : at)]          \
                      << " gave " << (actual)[static_cast<std::size_t>(at < 0 ? 0 : at)]         \
                      << ", expected " << (expected)[static_cast<std::size_t>(at < 0 ? 0 : at)]; \
  } while (false)

/// Every float32 whose low 16 bits are 0, and again with low bits that break ties.
inline std::vector<float> all_top_halves() {
  std::vector<float> x;
  x.reserve(3U << 16);
  for (const std::uint32_t low : {0U, 1U, 0xFFFFU}) {
    for (std::uint32_t high = 0; high < 0x10000U; ++high) x.push_back(from_bits(high << 16 | low));
  }
  return x;
}

/// Ties, near-ties and specials of every rule.
inline std::vector<float> hard_values() {
  std::vector<float> x{0.0F,
                       -0.0F,
                       0x1p-149F,
                       -0x1p-149F,
                       0x1p-126F,
                       -0x1p-30F,
                       1e-10F,
                       -1e-10F,
                       0.49999997F,
                       -0.49999997F,
                       0.50000006F,
                       8388607.5F,
                       -8388607.5F,
                       8388608.0F,
                       8388609.0F,
                       -8388609.0F,
                       16777217.0F,
                       4194303.75F,
                       1e30F,
                       -1e30F,
                       3.4028235e38F,
                       from_bits(0x7F800000U),
                       from_bits(0xFF800000U),
                       from_bits(0x7FC00000U),
                       from_bits(0x7F800001U),
                       from_bits(0xFFC12345U)};
  for (int i = -40; i <= 40; ++i) x.push_back(0.25F * static_cast<float>(i));
  return x;
}

/// n values spread over [-range, range].
inline std::vector<float> spread(std::size_t n, float range, std::uint64_t stream = 1) {
  std::vector<float> x(n);
  for (std::size_t i = 0; i < n; ++i) {
    x[i] = (2.0F * uniform(random_word(11, stream, 0, i)) - 1.0F) * range;
  }
  return x;
}

}  // namespace qloom::kernels::test
