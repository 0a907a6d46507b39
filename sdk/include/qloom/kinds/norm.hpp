// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include <qloom/kinds/base.hpp>

namespace qloom::sdk {

/// Normalisation layer from a class T with
///   explicit T(const Params&);
///   void begin(const qloom_norm_context&);
///   void prepare(const qloom_norm_call&, const float* x);
///   void apply(const qloom_norm_call&, uint64_t first, uint64_t rows, const float* x,
///              float* y) const noexcept;
///   void inference(const qloom_norm_call&, float* scale, float* shift) const;
///   void backward(const qloom_norm_call&, uint64_t first, uint64_t rows, const float* x,
///                 const float* dy, float* dx) const noexcept;
/// and optionally
///   static constexpr uint32_t kCaps;                 // QLOOM_NORM_AFFINE
///   static constexpr uint64_t kSumsPerChannel;       // then also the next two
///   void backward_sums(const qloom_norm_call&, uint64_t first, uint64_t rows, const float* x,
///                      const float* dy, double* sums) const noexcept;
///   void backward_prepare(const qloom_norm_call&, const double* sums, float* dgamma,
///                         float* dbeta);
///   template <class Archive> void state(Archive&);   // running statistics
template <class T>
struct Norm {
  static constexpr const char* kKind = "qloom.norm/1";

  static qloom_status begin(void* self, const qloom_norm_context* context,
                            qloom_error* error) noexcept {
    return guarded(error, [&] { detail::as<T>(self).begin(*context); });
  }
  static qloom_status prepare(void* self, const qloom_norm_call* call, const float* x,
                              qloom_error* error) noexcept {
    return guarded(error, [&] { detail::as<T>(self).prepare(*call, x); });
  }
  static void apply(const void* self, const qloom_norm_call* call, std::uint64_t first,
                    std::uint64_t rows, const float* x, float* y) noexcept {
    detail::as<T>(self).apply(*call, first, rows, x, y);
  }
  static void backward_sums(const void* self, const qloom_norm_call* call, std::uint64_t first,
                            std::uint64_t rows, const float* x, const float* dy,
                            double* sums) noexcept {
    if constexpr (kSums > 0) {
      detail::as<T>(self).backward_sums(*call, first, rows, x, dy, sums);
    }
  }
  static qloom_status backward_prepare(void* self, const qloom_norm_call* call, const double* sums,
                                       float* dgamma, float* dbeta, qloom_error* error) noexcept {
    return guarded(error, [&] {
      if constexpr (kSums > 0) {
        detail::as<T>(self).backward_prepare(*call, sums, dgamma, dbeta);
      }
    });
  }
  static void backward(const void* self, const qloom_norm_call* call, std::uint64_t first,
                       std::uint64_t rows, const float* x, const float* dy, float* dx) noexcept {
    detail::as<T>(self).backward(*call, first, rows, x, dy, dx);
  }
  static qloom_status inference(const void* self, const qloom_norm_call* call, float* scale,
                                float* shift, qloom_error* error) noexcept {
    return guarded(error, [&] { detail::as<T>(self).inference(*call, scale, shift); });
  }

  static constexpr std::uint64_t kSums = [] {
    if constexpr (requires { T::kSumsPerChannel; }) {
      return T::kSumsPerChannel;
    } else {
      return 0;
    }
  }();
  static constexpr qloom_norm kTable{
      sizeof(qloom_norm), detail::caps<T>(), kSums,     &begin,    &prepare, &apply,
      &backward_sums,     &backward_prepare, &backward, &inference};
  static qloom_status create(const qloom_host*, const qloom_params* params, const qloom_site* site,
                             qloom_instance* out, qloom_error* error) noexcept {
    return detail::Base<T>::create(params, site, &kTable, out, error);
  }
};

}  // namespace qloom::sdk
