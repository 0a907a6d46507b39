// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include <qloom/kinds/base.hpp>

namespace qloom::sdk {

/// Normalisation layer from a class T with
///   explicit T(const Params&);
///   void begin(const qloom_norm_context&);
///   void forward(const qloom_norm_call&, const float* x, float* y);
///   void backward(const qloom_norm_call&, const float* x, const float* dy, float* dx,
///                 float* dgamma, float* dbeta);
///   void inference(const qloom_norm_call&, float* scale, float* shift) const;
///   static constexpr uint32_t kCaps;                 // QLOOM_NORM_AFFINE
///   template <class Archive> void state(Archive&);   // running statistics
template <class T>
struct Norm {
  static constexpr const char* kKind = "qloom.norm/1";

  static qloom_status begin(void* self, const qloom_norm_context* context,
                            qloom_error* error) noexcept {
    return guarded(error, [&] { detail::as<T>(self).begin(*context); });
  }
  static qloom_status forward(void* self, const qloom_norm_call* call, const float* x, float* y,
                              qloom_error* error) noexcept {
    return guarded(error, [&] { detail::as<T>(self).forward(*call, x, y); });
  }
  static qloom_status backward(void* self, const qloom_norm_call* call, const float* x,
                               const float* dy, float* dx, float* dgamma, float* dbeta,
                               qloom_error* error) noexcept {
    return guarded(error,
                   [&] { detail::as<T>(self).backward(*call, x, dy, dx, dgamma, dbeta); });
  }
  static qloom_status inference(const void* self, const qloom_norm_call* call, float* scale,
                                float* shift, qloom_error* error) noexcept {
    return guarded(error, [&] { detail::as<T>(self).inference(*call, scale, shift); });
  }
  static constexpr qloom_norm kTable{sizeof(qloom_norm), detail::caps<T>(), &begin,
                                     &forward,           &backward,         &inference};
  static qloom_status create(const qloom_host*, const qloom_params* params, qloom_instance* out,
                             qloom_error* error) noexcept {
    return detail::Base<T>::create(params, &kTable, out, error);
  }
};

}  // namespace qloom::sdk
