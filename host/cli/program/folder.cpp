// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/cli/program/folder.hpp"

#include <string>

#include <fmt/format.h>

#include "host/program/document.hpp"
#include "host/step_program/files.hpp"
#include "host/tensor/error.hpp"

namespace qloom::cli {
namespace {

namespace fs = std::filesystem;

/// What lies at this place, where it is no program that was asked for.
std::string found_at(const fs::path& folder) {
  if (!fs::exists(folder)) return "no such folder";
  if (!fs::is_directory(folder)) return "a file";
  for (const program::DocumentForm& form : {program::kProgramForm, step_program::kStepForm}) {
    const bool has_arrays = fs::exists(folder / form.arrays);
    if (has_arrays && !fs::exists(folder / form.text)) {
      return fmt::format("{} is missing beside {}", form.text, form.arrays);
    }
  }
  if (fs::exists(folder / step_program::kStepFile)) {
    return fmt::format("the folder of a step program ({})", step_program::kStepFile);
  }
  if (fs::exists(folder / "report.json")) return "the folder of a run (report.json)";
  return "a folder without a program";
}

}  // namespace

void require_program(const fs::path& folder, Takes takes) {
  const bool takes_steps = takes == Takes::kProgramsAndSteps;
  if (fs::exists(folder / program::kProgramFile)) return;
  if (takes_steps && fs::exists(folder / step_program::kStepFile)) return;
  throw InputError(fmt::format(
      "{}: {}, expected the folder of an integer program ({}){}; qloom compile makes it",
      folder.string(), found_at(folder), program::kProgramFile,
      takes_steps ? fmt::format(" or of a step program ({})", step_program::kStepFile) : ""));
}

}  // namespace qloom::cli
