// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The fast executor: the bits of execute(), whatever the threads and the instruction set.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "host/program/execute.hpp"

namespace qloom::program {

/// A program made ready once: weights packed, steps in their fastest form. Some samples at a time
/// go through all operations on one thread, so that what lies between two of them stays in the
/// cache; the maps behind a convolution read its sums where it left them.
///
/// threads: one call at a time; it uses all threads itself
class Executor {
 public:
  /// The program is one that fault_of() accepts, and has to live as long.
  explicit Executor(const Program& program);
  ~Executor();

  /// Every tensor, as execute() gives it.
  [[nodiscard]] std::vector<Values> trace(std::span<const std::int64_t> input,
                                          std::int64_t samples);
  /// The program's outputs alone, in its order: less is written.
  [[nodiscard]] std::vector<Values> outputs(std::span<const std::int64_t> input,
                                            std::int64_t samples);
  /// The same without a copy into 64-bit integers: values as narrow as their types, 8 bits unsigned
  /// or signed, else 16, 32 or 64 bits signed. outputs: room for each of the program's. The input's
  /// values are of its type; nobody looks.
  void run(const void* input, std::int64_t samples, std::span<void* const> outputs);

 private:
  class Plan;
  std::unique_ptr<Plan> plan_;
};

}  // namespace qloom::program
