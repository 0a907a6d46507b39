// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Names of files that are being written. Each writer has its own, and the name says who it is, so
// that what a killed one left behind is recognised.
#pragma once

#include <filesystem>

namespace qloom::data {

/// A new name in the folder: machine, process, its start and 64 random bits are part of it.
[[nodiscard]] std::filesystem::path temporary_name(const std::filesystem::path& folder);

/// Removes the files in the folder that have such a name and whose writer is dead.
void remove_leftovers(const std::filesystem::path& folder);

}  // namespace qloom::data
