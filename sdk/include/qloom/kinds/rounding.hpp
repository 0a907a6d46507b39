// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include <qloom/stochastic.h>
#include <qloom/kinds/base.hpp>
#include <qloom/vectorized.hpp>

namespace qloom::sdk {

/// Rounding mode from a class T with
///   explicit T(const Params&);
///   void round(const qloom_call&, uint64_t first, const float* x, float* y, uint64_t n) const
///   noexcept;
/// and optionally
///   static constexpr uint32_t kCaps;                             // QLOOM_ROUNDING_*
///   bool lower(uint32_t& rule, uint32_t& argument) const noexcept;  // "I am exactly that rule"
template <class T>
struct Rounding {
  static constexpr const char* kKind = "qloom.rounding/1";

  static qloom_status round(const void* self, const qloom_call* call, std::uint64_t first,
                            const float* x, float* y, std::uint64_t n) noexcept {
    return detail::status_of([&] { return detail::as<T>(self).round(*call, first, x, y, n); });
  }
  static qloom_status lower(const void* self, std::uint32_t* rule,
                            std::uint32_t* argument) noexcept {
    if constexpr (requires(const T& t) { t.lower(*rule, *argument); }) {
      if (detail::as<T>(self).lower(*rule, *argument)) return QLOOM_OK;
    }
    return QLOOM_E_UNSUPPORTED;
  }
  static constexpr qloom_rounding kTable{sizeof(qloom_rounding), detail::caps<T>(), &round, &lower};
  static qloom_status create(const qloom_host*, const qloom_params* params, const qloom_site* site,
                             qloom_instance* out, qloom_error* error) noexcept {
    return detail::Base<T>::create(params, site, &kTable, out, error);
  }
};

/// A rounding mode without random words that no kernel knows, from a class T with
///   explicit T(const Params&);                       // optional
///   float operator()(float x) const noexcept;        // an integer, or NaN of NaN
template <class T>
class ElementRounding {
 public:
  static constexpr std::uint32_t kCaps = QLOOM_ROUNDING_DRAWS_NOTHING | detail::caps<T>();

  explicit ElementRounding(const Params& params) {
    if constexpr (std::is_constructible_v<T, const Params&>) rounded_ = T(params);
  }
  void round(const qloom_call&, std::uint64_t, const float* x, float* y,
             std::uint64_t n) const noexcept {
    vectorized([x, y, n, rounded = rounded_] {
      QLOOM_INDEPENDENT_STEPS
      for (std::uint64_t i = 0; i < n; ++i) y[i] = rounded(x[i]);
    });
  }

 private:
  T rounded_{};
};

/// A rounding mode that is exactly one of the kernels' rules: pass the rule as template argument.
/// The rule STOCHASTIC rounds magnitudes where the kernel that calls says that its format has them.
template <std::uint32_t Rule>
class LoweredRounding {
 public:
  static constexpr bool kDraws =
      Rule == QLOOM_ROUND_STOCHASTIC || Rule == QLOOM_ROUND_STOCHASTIC_EQUAL;
  static constexpr std::uint32_t kCaps = kDraws ? 0 : QLOOM_ROUNDING_DRAWS_NOTHING;

  explicit LoweredRounding(const Params&) {}
  qloom_status round(const qloom_call& call, std::uint64_t first, const float* x, float* y,
                     std::uint64_t n) const noexcept {
    qloom_call fused = call;
    std::uint32_t argument = argument_;
    if (Rule == QLOOM_ROUND_STOCHASTIC && call.rounding.rule == QLOOM_ROUND_GENERIC) {
      argument |= call.rounding.argument & std::uint32_t{QLOOM_STOCHASTIC_MAGNITUDE};
    }
    fused.rounding = {nullptr, nullptr, Rule, argument};
    return kernels().round(&fused, first, x, y, n);
  }
  bool lower(std::uint32_t& rule, std::uint32_t& argument) const noexcept {
    rule = Rule;
    argument = argument_;
    return true;
  }

 protected:
  std::uint32_t argument_ = 0;
};

}  // namespace qloom::sdk
