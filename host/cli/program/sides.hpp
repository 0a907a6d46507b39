// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What computes the tensors of a program: the simulation of a run, the program's executor, or a
// trace that was written before. Batch by batch, so that whole test sets fit in memory.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "host/compile/simulate.hpp"
#include "host/data/arrays/array_file.hpp"
#include "host/program/fast/executor.hpp"
#include "host/run/finished.hpp"

namespace qloom::cli {

/// Every byte as the network's input has it, by the function that makes batches; empty where images
/// are no bytes.
[[nodiscard]] compile::Pixels pixels_of(const run::Batches& batches);

/// A finished run, and the program that its network is.
class Simulation {
 public:
  Simulation(const std::filesystem::path& run, const std::filesystem::path& pipeline_file,
             const registry::Registry& registry, const compile::Options& options = {});

  [[nodiscard]] const compile::Compiled& compiled() const { return compiled_; }
  [[nodiscard]] run::Finished& run() { return run_; }
  /// Samples of the test set.
  [[nodiscard]] std::int64_t samples() const { return run_.batches().dataset.test.count; }
  [[nodiscard]] std::int64_t batch_size() const { return run_.batches().size; }
  /// Runs test batch i; all tensors of the program, its input too.
  std::vector<program::Values> batch(std::uint64_t i);
  /// Of the batch that ran last.
  [[nodiscard]] std::int64_t size() const { return walk_.size(); }

 private:
  void forward(std::uint64_t i);

  run::Finished run_;
  run::Walk walk_;
  compile::Pixels pixels_;
  compile::Compiled compiled_;
};

/// Runs a program: the fast executor, or the plain loops that define what it computes. The program
/// has to live as long.
class Runner {
 public:
  Runner(const program::Program& program, bool is_reference);

  /// Every tensor.
  [[nodiscard]] std::vector<program::Values> trace(const program::Values& input,
                                                   std::int64_t samples) const;
  /// The program's outputs, in its order.
  [[nodiscard]] std::vector<program::Values> outputs(const program::Values& input,
                                                     std::int64_t samples) const;

 private:
  const program::Program& program_;
  std::unique_ptr<program::Executor> executor_;  ///< null: the plain loops
};

/// Samples of the test set: "test:0..99".
struct Samples {
  std::int64_t first = 0, last = 0;  ///< both counted
};
/// InputError unless the text is "test:FIRST..LAST" with samples that are there.
[[nodiscard]] Samples samples_of(const std::string& text, std::int64_t count);

/// Values of a program's input from a .npy file, (samples, height, width, channels) or without
/// axes of 1; InputError for another shape, type or value.
[[nodiscard]] program::Values read_input(const std::filesystem::path& file,
                                         const program::Program& program, std::int64_t& samples);
/// An array of the values of a tensor, int64.
[[nodiscard]] data::Array array_of(const program::Tensor& tensor, const program::Values& values);

}  // namespace qloom::cli
