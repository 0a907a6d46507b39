// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// random_steps FOLDER FIRST COUNT STEPS: FOLDER/<seed> for COUNT seeds from FIRST, each a step
// program with trace.npz: of each of STEPS steps "<step>/labels" and "<step>/<tensor>", as the
// executor has them.
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <iostream>
#include <string>

#include "host/data/arrays/array_file.hpp"
#include "host/step_program/files.hpp"
#include "tests/support/random_step.hpp"

namespace {

using namespace qloom;

void make(const std::filesystem::path& folder, std::uint64_t seed, std::uint64_t steps) {
  const step_program::Program made = test::random_step(seed);
  step_program::write(made, folder);
  step_program::State state = step_program::initial_state(made);
  data::Arrays trace;
  for (std::uint64_t step = 0; step < steps; ++step) {
    const test::StepBatch batch = test::step_batch(made, seed, step);
    const auto values = step_program::execute_step(made, state, batch.images, batch.labels);
    const std::string place = std::to_string(step) + "/";
    for (std::size_t i = 0; i < values.size(); ++i) {
      trace[place + made.tensors[i].name] = {{static_cast<std::int64_t>(values[i].size())},
                                             values[i]};
    }
    const std::vector<std::int64_t> labels(batch.labels.begin(), batch.labels.end());
    trace[place + "labels"] = {{static_cast<std::int64_t>(labels.size())}, labels};
  }
  data::write_npz(folder / "trace.npz", trace);
}

}  // namespace

int main(int count, char** words) {
  if (count != 5) return EXIT_FAILURE;
  try {
    const std::uint64_t first = std::stoull(words[2]), programs = std::stoull(words[3]);
    for (std::uint64_t seed = first; seed < first + programs; ++seed) {
      make(std::filesystem::path(words[1]) / std::to_string(seed), seed, std::stoull(words[4]));
    }
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}
