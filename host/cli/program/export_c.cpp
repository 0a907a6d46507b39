// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/cli/program/export_program.hpp"
#include "host/data/arrays/array_file.hpp"
#include "host/data/claim.hpp"
#include "host/data/hash.hpp"
#include "host/data/streams.hpp"
#include "host/program/files.hpp"

namespace qloom::cli {

void export_c(const std::filesystem::path& program, const std::filesystem::path& output,
              exchange::c::Style style) {
  const program::Program read = program::read(program);
  const data::FileHash hash = data::hash_file(program / "program.json");
  const exchange::c::Files files =
      exchange::c::print(read, {.version = hash.digest, .style = style});
  data::require_writable_folder(output);
  const data::Claim claim(output);
  exchange::c::write(files, output);
  data::print("{}\n", (output / "model.c").string());
}

}  // namespace qloom::cli
