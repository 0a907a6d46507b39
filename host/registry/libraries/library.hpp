// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Shared libraries of methods: loaded once per process, checked, never unloaded.
#pragma once

#include <filesystem>
#include <vector>

#include <qloom/abi.h>

namespace qloom::registry {

/// The descriptors of a library after entry, version and floating-point checks and init(). The
/// first call for a file loads it; a refusal is remembered and repeated.
///
/// threads:  any; one load at a time
/// errors:   InputError "<file>: <reason>", with both versions where they differ
[[nodiscard]] const std::vector<const qloom_descriptor*>& load_library(
    const std::filesystem::path& file);

}  // namespace qloom::registry
