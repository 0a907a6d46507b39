// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include <qloom/kinds/base.hpp>

namespace qloom::sdk {

/// Accumulator from a class T with
///   explicit T(const Params&);
///   accumulate(const qloom_call&, const qloom_tile&, uint64_t& overflows) const noexcept;
///   uint32_t bits() const noexcept;
///   bool is_exact() const noexcept;      // optional, false
///   static constexpr uint32_t kCaps;     // QLOOM_ACCUMULATOR_*
template <class T>
struct Accumulator {
  static constexpr const char* kKind = "qloom.accumulator/1";

  static qloom_status accumulate(const void* self, const qloom_call* call, const qloom_tile* tile,
                                 std::uint64_t* overflows) noexcept {
    return detail::status_of(
        [&] { return detail::as<T>(self).accumulate(*call, *tile, *overflows); });
  }
  static std::uint32_t is_exact(const void* self) noexcept {
    if constexpr (requires(const T& t) { t.is_exact(); }) {
      return detail::as<T>(self).is_exact() ? 1 : 0;
    } else {
      return 0;
    }
  }
  static std::uint32_t bits(const void* self) noexcept { return detail::as<T>(self).bits(); }
  static constexpr qloom_accumulator kTable{sizeof(qloom_accumulator), detail::caps<T>(),
                                            &accumulate, &is_exact, &bits};
  static qloom_status create(const qloom_host*, const qloom_params* params, const qloom_site* site,
                             qloom_instance* out, qloom_error* error) noexcept {
    return detail::Base<T>::create(params, site, &kTable, out, error);
  }
};

}  // namespace qloom::sdk
