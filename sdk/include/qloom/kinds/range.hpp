// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include <span>

#include <qloom/kinds/base.hpp>

namespace qloom::sdk {

/// Range estimator from a class T with
///   explicit T(const Params&);
///   void begin(const qloom_range_context&, uint32_t pass);
///   void observe(const qloom_tensor&);
///   void end(uint32_t pass);                          // optional
///   void ranges(std::span<qloom_range> out) const;    // one per group
///   void observe_extremes(span<const double> lo, span<const double> hi);  // optional, in place of
///                                                     // observe() where these are known: abi.h
///   static constexpr uint32_t kPasses;                // optional, 1
///   static constexpr uint32_t kCaps;                  // optional: QLOOM_RANGE_*
///   template <class Archive> void state(Archive&);    // optional
template <class T>
struct Range {
  static constexpr const char* kKind = "qloom.range/1";

  static constexpr std::uint32_t passes() {
    if constexpr (requires { T::kPasses; }) {
      return T::kPasses;
    } else {
      return 1;
    }
  }
  static qloom_status begin(void* self, const qloom_range_context* context, std::uint32_t pass,
                            qloom_error* error) noexcept {
    return guarded(error, [&] { detail::as<T>(self).begin(*context, pass); });
  }
  static qloom_status observe(void* self, const qloom_tensor* x, qloom_error* error) noexcept {
    return guarded(error, [&] { detail::as<T>(self).observe(*x); });
  }
  static qloom_status end(void* self, std::uint32_t pass, qloom_error* error) noexcept {
    return guarded(error, [&] {
      if constexpr (requires(T & t) { t.end(pass); }) detail::as<T>(self).end(pass);
    });
  }
  static qloom_status ranges(const void* self, qloom_range* out, std::uint64_t groups,
                             qloom_error* error) noexcept {
    return guarded(error, [&] { detail::as<T>(self).ranges(std::span<qloom_range>(out, groups)); });
  }
  static qloom_status observe_extremes(void* self, const double* lo, const double* hi,
                                       std::uint64_t groups, qloom_error* error) noexcept {
    return guarded(error, [&] {
      if constexpr (kTakesExtremes) {
        detail::as<T>(self).observe_extremes(std::span(lo, groups), std::span(hi, groups));
      }
    });
  }
  static constexpr bool kTakesExtremes = requires(T & t, std::span<const double> ends) {
    t.observe_extremes(ends, ends);
  };
  static constexpr qloom_range_estimator kTable{sizeof(qloom_range_estimator),
                                                detail::caps<T>(),
                                                passes(),
                                                0,
                                                &begin,
                                                &observe,
                                                &end,
                                                &ranges,
                                                kTakesExtremes ? &observe_extremes : nullptr};
  static qloom_status create(const qloom_host*, const qloom_params* params, const qloom_site* site,
                             qloom_instance* out, qloom_error* error) noexcept {
    return detail::Base<T>::create(params, site, &kTable, out, error);
  }
};

/// One method id whose parameters choose between classes, each with its own number of passes: the
/// first T for which T::accepts(const Params&) holds is created.
template <class... Classes>
struct RangeVariants {
  static constexpr const char* kKind = "qloom.range/1";

  static qloom_status create(const qloom_host* host, const qloom_params* params,
                             const qloom_site* site, qloom_instance* out,
                             qloom_error* error) noexcept {
    return detail::create_variant<Range, Classes...>(host, params, site, out, error);
  }
};

}  // namespace qloom::sdk
