// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// .npz archives: a zip file whose member "<name>.npy" is the array <name>.
#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <span>
#include <string>

#include "host/data/file.hpp"

namespace qloom::data {

/// The decompressed members by array name (without ".npy"), of these names where some are given.
/// No member is unpacked beyond what its .npy header needs. Throws InputError that names file and
/// member for anything that is no sound zip file.
[[nodiscard]] std::map<std::string, Bytes> read_members(const std::filesystem::path& file,
                                                        const std::set<std::string>& names = {});

/// The bytes of an uncompressed zip file of these members: a function of the members alone (times
/// are 1980-01-01). Throws RunError.
[[nodiscard]] Bytes zip_bytes(const std::map<std::string, Bytes>& members);

}  // namespace qloom::data
