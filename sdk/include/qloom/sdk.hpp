// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The C++ face of the plugin ABI. A method is a plain class; its last line registers it:
//
//   QLOOM_METHODS(qloom::sdk::Quantizer<Twn>)
//
// qloom_add_plugin() generates qloom_manifest.h from the method's plugin.json, so ids, versions
// and parameter schemas exist once. The order in QLOOM_METHODS is the order in plugin.json.
#pragma once

#include <qloom/kinds/accumulator.hpp>
#include <qloom/kinds/norm.hpp>
#include <qloom/kinds/procedure.hpp>
#include <qloom/kinds/quantizer.hpp>
#include <qloom/kinds/range.hpp>
#include <qloom/kinds/requantizer.hpp>
#include <qloom/kinds/rounding.hpp>
#include <qloom/support.hpp>
#include <qloom/uniform_grid.hpp>
#include <qloom/vectorized.hpp>

namespace qloom::sdk::detail {

template <class... Methods>
struct Library {
  static constexpr std::uint32_t kCount = sizeof...(Methods);
  /// Procedures alone need the services of a run: another revision of them stops no other method.
  template <class Method>
  static constexpr bool kDrivesRun = std::string_view(Method::kKind) == "qloom.procedure/1";

  template <class Table>
  static void get(const qloom_host* host, const char* id, const Table*& table) {
    table = static_cast<const Table*>(host->service(host, id));
    if (table == nullptr) throw Error(QLOOM_E_UNSUPPORTED, concat("the host has no ", id));
  }

  static qloom_status init(const qloom_host* host, qloom_error* error) noexcept {
    return guarded(error, [host] {
      get(host, "qloom.params/1", services.params);
      get(host, "qloom.state/1", services.state);
      get(host, "qloom.kernels/1", services.kernels);
      get(host, "qloom.parallel/1", services.parallel);
      services.methods =
          static_cast<const qloom_methods_api*>(host->service(host, "qloom.methods/1"));
      services.linear = static_cast<const qloom_linear_api*>(host->service(host, "qloom.linear/1"));
      if constexpr ((... || kDrivesRun<Methods>)) {
        get(host, "qloom.run/1", services.run);
        get(host, "qloom.tensors/1", services.tensors);
      }
    });
  }
  static void deinit() noexcept { services = {}; }
  static std::uint32_t count() noexcept { return kCount; }
};

}  // namespace qloom::sdk::detail

/// Registers the library's methods. One use per library, after #include "qloom_manifest.h".
#define QLOOM_METHODS(...)                                                                        \
  namespace {                                                                                     \
  using QloomLibrary = qloom::sdk::detail::Library<__VA_ARGS__>;                                  \
  template <class... Methods>                                                                     \
  const qloom_descriptor* qloom_descriptor_at(qloom::sdk::detail::Library<Methods...>,            \
                                              std::uint32_t index) noexcept {                     \
    static_assert(sizeof...(Methods) == sizeof(qloom_manifest) / sizeof(qloom_manifest[0]),       \
                  "plugin.json and QLOOM_METHODS list different numbers of methods");             \
    static constexpr decltype(qloom_descriptor::create) kCreate[] = {&Methods::create...};        \
    static constexpr const char* kKinds[] = {Methods::kKind...};                                  \
    static qloom_descriptor table[sizeof...(Methods)];                                            \
    if (index >= sizeof...(Methods)) return nullptr;                                              \
    const auto& m = qloom_manifest[index];                                                        \
    table[index] = {                                                                              \
        sizeof(qloom_descriptor), 0, kKinds[index], m.id, m.version, m.manifest, kCreate[index]}; \
    return &table[index];                                                                         \
  }                                                                                               \
  const qloom_descriptor* qloom_at(std::uint32_t index) noexcept {                                \
    return qloom_descriptor_at(QloomLibrary{}, index);                                            \
  }                                                                                               \
  }                                                                                               \
  extern "C" const qloom_entry QLOOM_ENTRY_SYMBOL = {                                             \
      QLOOM_MAGIC,           sizeof(qloom_entry),  QLOOM_ABI_MAJOR,                               \
      QLOOM_ABI_TARGET,      QLOOM_ABI_HASH,       &QloomLibrary::init,                           \
      &QloomLibrary::deinit, &QloomLibrary::count, &qloom_at};
