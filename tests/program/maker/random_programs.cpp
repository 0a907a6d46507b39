// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// random_programs FOLDER FIRST COUNT SAMPLES: FOLDER/<seed> for COUNT seeds from FIRST, each a
// program with trace.npz: what the executor makes of SAMPLES inputs, an array for each tensor.
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <iostream>
#include <string>

#include "host/data/arrays/array_file.hpp"
#include "host/program/files.hpp"
#include "tests/support/random_program.hpp"

namespace {

using namespace qloom;

void make(const std::filesystem::path& folder, std::uint64_t seed, std::int64_t samples) {
  const program::Program made = test::random_program(seed, {.has_floats = seed % 4 == 3});
  write(made, folder);
  const std::vector<program::Values> values =
      execute(made, test::random_input(made, seed, samples), samples);
  data::Arrays trace;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const program::Tensor& tensor = made.tensors[i];
    trace[tensor.name] = {{samples, tensor.height, tensor.width, tensor.channels}, values[i]};
  }
  data::write_npz(folder / "trace.npz", trace);
}

}  // namespace

int main(int count, char** words) {
  if (count != 5) return EXIT_FAILURE;
  try {
    const std::uint64_t first = std::stoull(words[2]), programs = std::stoull(words[3]);
    for (std::uint64_t seed = first; seed < first + programs; ++seed) {
      make(std::filesystem::path(words[1]) / std::to_string(seed), seed, std::stoll(words[4]));
    }
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}
