// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What a registry knows of the libraries behind its methods.
#pragma once

#include <map>
#include <mutex>

#include "host/registry/registry.hpp"

namespace qloom::registry {

/// Descriptors of the methods created so far; null where the library is to be asked.
struct Registry::Libraries {
  std::mutex mutex;
  std::map<const Method*, const qloom_descriptor*> descriptors;
};

/// The descriptor of a method of a manifest with this many methods, in this file of its library;
/// every method of the manifest is checked. InputError when library and manifest do not agree.
[[nodiscard]] const qloom_descriptor* agreed_descriptor(const Method& method,
                                                        std::size_t methods_in_manifest,
                                                        const std::filesystem::path& library);

}  // namespace qloom::registry
