// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// "formats" of a pipeline: the number formats that another run found, as rules.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "host/pipeline/pipeline.hpp"

namespace qloom::pipeline {

/// A rule as a pipeline would write it, and the entry that it stands for.
struct FormatRule {
  Json rule;
  std::string pointer;  ///< "/sites/3"
};

/// The rules that a file of formats stands for (schemas/formats.schema.json), one for each entry
/// that has a use. Without `trains` those of sites that act in training alone are left out. What a
/// run found and no rule can say is a warning in `notes`. InputError with file and pointer.
[[nodiscard]] std::vector<FormatRule> rules_of_formats(const std::filesystem::path& file,
                                                       bool trains, Notes& notes);

}  // namespace qloom::pipeline
