// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What all kinds share: construction, destruction, state.
#pragma once

#include <memory>

#include <qloom/support.hpp>

namespace qloom::sdk::detail {

template <class T>
concept HasState = requires(T& t, StateWriter& w, StateReader& r) {
  t.state(w);
  t.state(r);
};

template <class T>
constexpr std::uint32_t state_version() {
  if constexpr (requires { T::kStateVersion; }) {
    return T::kStateVersion;
  } else {
    return 1;
  }
}

template <class T>
constexpr std::uint32_t caps() {
  if constexpr (requires { T::kCaps; }) {
    return T::kCaps;
  } else {
    return 0;
  }
}

template <class T>
struct Base {
  static void destroy(void* self) noexcept { delete static_cast<T*>(self); }
  static qloom_status save(const void* self, qloom_writer* writer, qloom_error* error) noexcept {
    return guarded(error, [&] {
      StateWriter archive(writer);
      const_cast<T*>(static_cast<const T*>(self))->state(archive);
    });
  }
  static qloom_status load(void* self, const qloom_reader* reader, std::uint32_t version,
                           qloom_error* error) noexcept {
    return guarded(error, [&] {
      if (version > state_version<T>()) {
        throw Error(QLOOM_E_STATE, concat("state version ", version, " is newer than ",
                                          state_version<T>(), ", the newest known"));
      }
      T changed = *static_cast<T*>(self);  // unchanged on failure
      StateReader archive(reader);
      changed.state(archive);
      archive.finish();
      *static_cast<T*>(self) = std::move(changed);
    });
  }
  static constexpr qloom_base table() {
    qloom_base base{sizeof(qloom_base), state_version<T>(), &destroy, nullptr, nullptr};
    if constexpr (HasState<T>) {
      base.save = &save;
      base.load = &load;
    }
    return base;
  }
  static constexpr qloom_base kTable = table();

  static qloom_status create(const qloom_params* params, const qloom_site* site, const void* ops,
                             qloom_instance* out, qloom_error* error) noexcept {
    return guarded(error, [&] {
      auto self = made(Params(params), site);
      out->struct_size = sizeof(qloom_instance);
      out->base = &kTable;
      out->ops = ops;
      out->self = self.release();
    });
  }

 private:
  /// A method that wants to know where it acts takes the site, which may be null.
  static std::unique_ptr<T> made(const Params& params, const qloom_site* site) {
    if constexpr (std::is_constructible_v<T, const Params&, const qloom_site*>) {
      return std::make_unique<T>(params, site);
    } else {
      return std::make_unique<T>(params);
    }
  }
};

template <class T>
T& as(void* self) {
  return *static_cast<T*>(self);
}
template <class T>
const T& as(const void* self) {
  return *static_cast<const T*>(self);
}

/// Calls a noexcept [pure] body that returns void (always QLOOM_OK) or a status.
template <class Body>
qloom_status status_of(Body&& body) noexcept {
  if constexpr (std::is_void_v<decltype(body())>) {
    body();
    return QLOOM_OK;
  } else {
    return body();
  }
}

/// Creates Kind<T> of the first T for which T::accepts(const Params&) holds, with the capabilities
/// and functions of that class.
template <template <class> class Kind, class... Classes>
qloom_status create_variant(const qloom_host* host, const qloom_params* params,
                            const qloom_site* site, qloom_instance* out,
                            qloom_error* error) noexcept {
  decltype(qloom_descriptor::create) chosen = nullptr;
  const qloom_status status = guarded(error, [&] {
    const Params p(params);
    (void)((Classes::accepts(p) && (chosen = &Kind<Classes>::create, true)) || ...);
    if (chosen == nullptr) {
      throw Error(QLOOM_E_UNSUPPORTED, "no variant of the method has these parameters");
    }
  });
  return status == QLOOM_OK ? chosen(host, params, site, out, error) : status;
}

}  // namespace qloom::sdk::detail
