// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// From a manifest's method to an instance: the library is loaded, agrees with the manifest, and
// makes one.
#include <algorithm>
#include <mutex>

#include <fmt/format.h>

#include "host/json/printable.hpp"
#include "host/json/text.hpp"
#include "host/registry/calls/call_record.hpp"
#include "host/registry/calls/floating_point.hpp"
#include "host/registry/libraries/libraries.hpp"
#include "host/registry/libraries/library.hpp"
#include "host/registry/services.hpp"
#include "host/registry/tables.hpp"
#include "host/tensor/error.hpp"

namespace qloom::registry {
namespace fs = std::filesystem;

const qloom_descriptor* agreed_descriptor(const Method& method, std::size_t methods_in_manifest,
                                          const fs::path& library) {
  const auto& descriptors = load_library(library);
  const std::string place =
      fmt::format("{}: does not agree with {}", library.string(), method.manifest_file.string());
  if (descriptors.size() != methods_in_manifest) {
    throw InputError(fmt::format("{}: it has {} methods, the manifest {}", place,
                                 descriptors.size(), methods_in_manifest));
  }
  std::string present;
  for (const qloom_descriptor* d : descriptors) {
    present += fmt::format("{}\"{}\" of kind \"{}\"", present.empty() ? "" : ", ",
                           json::printable(d->id), json::printable(d->kind));
    if (d->id != method.id || d->kind != kind_id(method.kind)) continue;
    if (d->version != method.version) {
      throw InputError(fmt::format("{}: \"{}\" has version {}, the manifest says {}", place,
                                   method.id, json::printable(d->version),
                                   json::printable(method.version)));
    }
    const std::string inside =
        fmt::format("{}: the manifest of \"{}\"", library.string(), method.id);
    if (json::parse(d->manifest, inside) != method.as_written) {
      throw InputError(fmt::format("{}: \"{}\" was built from another manifest", place, method.id));
    }
    return d;
  }
  throw InputError(fmt::format("{}: the manifest's \"{}\" of kind \"{}\" is not in it; it has {}",
                               place, method.id, kind_id(method.kind), present));
}

std::size_t Registry::siblings(const Method& method) const {
  const auto count = std::count_if(methods_.begin(), methods_.end(), [&](const Method& m) {
    return m.manifest_file == method.manifest_file;
  });
  return static_cast<std::size_t>(count) + (others_ == nullptr ? 0 : others_->siblings(method));
}

Instance Registry::create(const Method& method, const Json& resolved,
                          const qloom_site* site) const {
  const qloom_descriptor* descriptor = nullptr;
  {
    const std::lock_guard lock(libraries_->mutex);
    const qloom_descriptor*& known = libraries_->descriptors[&method];
    if (known == nullptr) {
      known = agreed_descriptor(method, siblings(method), method.library_file);
    }
    descriptor = known;
  }
  qloom_instance raw{};
  raw.struct_size = sizeof raw;
  qloom_error error = empty_error();
  const qloom_params params{&resolved, this, &method};
  const CallRecord call(method, "create");
  const FloatingPointGuard guard;
  const qloom_status status = descriptor->create(&host_services(), &params, site, &raw, &error);
  const std::string change = guard.change();
  if (status == QLOOM_E_INVALID || status == QLOOM_E_UNSUPPORTED) {
    throw InputError(
        fmt::format("{} \"{}\": {}", method.kind, method.id,
                    error.message[0] != '\0' ? json::printable(error.message) : "refused"));
  }
  check(method, "create", status, error);
  std::string fault = instance_fault(method.kind, raw);
  if (fault.empty() && !change.empty()) {
    fault = fmt::format("create() changed the floating-point state: {}", change);
  }
  if (!fault.empty()) {
    if (is_destroyable(raw)) raw.base->destroy(raw.self);
    throw InputError(fmt::format("{}: \"{}\": {}", method.library_file.string(), method.id, fault));
  }
  return {&method, raw};
}

}  // namespace qloom::registry
