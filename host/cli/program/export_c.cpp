// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/cli/outputs.hpp"
#include "host/cli/program/export_program.hpp"
#include "host/cli/program/folder.hpp"
#include "host/cli/program/step.hpp"
#include "host/data/arrays/array_file.hpp"
#include "host/data/claim.hpp"
#include "host/data/hash.hpp"
#include "host/data/streams.hpp"
#include "host/exchange/c/training/step_c.hpp"
#include "host/program/files.hpp"
#include "host/step_program/files.hpp"
#include "host/tensor/error.hpp"

namespace qloom::cli {

namespace {

exchange::c::Files c_files_of(const std::filesystem::path& folder, exchange::c::Style style) {
  require_program(folder, Takes::kProgramsAndSteps);
  if (is_step_program(folder)) {
    if (style != exchange::c::Style{}) {
      throw InputError("--style: a step program has one style");
    }
    const step_program::Program step = step_program::read(folder);
    return exchange::c::print_step(step, data::hash_file(folder / "step.json").digest);
  }
  const program::Program read = program::read(folder);
  const data::FileHash hash = data::hash_file(folder / "program.json");
  return exchange::c::print(read, {.version = hash.digest, .style = style});
}

}  // namespace

void export_c(const std::filesystem::path& program, const std::filesystem::path& output,
              exchange::c::Style style) {
  const exchange::c::Files files = c_files_of(program, style);
  require_own_folder(output);
  data::require_writable_folder(output);
  const data::Claim claim(output);
  exchange::c::write(files, output);
  data::print("{}\n", (output / "model.c").string());
}

}  // namespace qloom::cli
