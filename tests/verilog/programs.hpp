// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Programs to be exported, built operation by operation; every tensor takes the narrowest type that
// its values need.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "tests/program/small.hpp"

namespace qloom::test {

/// Adds operations to a program. What each returns is the number of its tensor. More than twelve
/// functions: one for each kind of operation, and what their arguments are made of.
class ProgramMaker {
 public:
  ProgramMaker(Extents extents, program::Type type, std::uint64_t seed);

  int conv(const std::string& name, int input, program::ContractionShape window,
           program::Type weights, program::Register sum = {});
  int dense(const std::string& name, int input, std::int64_t channels, program::Type weights,
            program::Register sum = {});
  int map(const std::string& name, int input, steps::Chain chain);
  int join(const std::string& name, std::vector<int> inputs, std::vector<steps::Chain> input_steps,
           steps::Chain chain);
  int concat(const std::string& name, std::vector<int> inputs);
  int pool(const std::string& name, int input, program::Kind kind,
           program::ContractionShape window);
  int argmax(const std::string& name, int input);
  int reshape(const std::string& name, int input, Extents extents);

  /// Of a tensor, for a square kernel that covers the whole depth.
  [[nodiscard]] program::ContractionShape window(int input, std::int64_t channels,
                                                 std::int64_t kernel, std::int64_t pad = 0,
                                                 std::int64_t stride = 1) const;
  /// Of a pool: channel by channel.
  [[nodiscard]] program::ContractionShape pool_window(int input, std::int64_t kernel,
                                                      std::int64_t stride) const;
  /// Multiply, add, shift, clamp with random constants for each channel: from the tensor to a type.
  [[nodiscard]] steps::Chain requantizer(int input, program::Type to,
                                         steps::Rounding rounding = steps::Rounding::kNearestEven);
  /// Ascending thresholds for each channel.
  [[nodiscard]] steps::Chain thresholds(int input, int bits);
  [[nodiscard]] std::int64_t random(std::int64_t lo, std::int64_t hi);
  /// Constants for each of the channels.
  [[nodiscard]] std::vector<std::int64_t> randoms(std::int64_t count, std::int64_t lo,
                                                  std::int64_t hi);

  [[nodiscard]] program::Tensor& tensor(int number) {
    return program_.tensors[static_cast<std::size_t>(number)];
  }
  /// With these outputs; checked.
  [[nodiscard]] program::Program finish(std::vector<int> outputs);
  /// Random inputs of this type.
  [[nodiscard]] program::Values inputs(std::int64_t samples);

 private:
  int add(program::Op op, Extents extents);
  [[nodiscard]] program::Interval values_of(int number) const;
  [[nodiscard]] Extents extents_of(int number) const;

  program::Program program_;
  std::mt19937_64 random_;
};

/// Every kind of operation, on an image of 6 x 5 x 2 bytes. Ten layers, most of them with a name
/// that a language keeps for itself.
[[nodiscard]] program::Program every_operation(ProgramMaker& maker);

}  // namespace qloom::test
