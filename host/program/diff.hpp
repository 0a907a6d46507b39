// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Two sets of values of one program, compared tensor by tensor in the order of its operations.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "host/program/execute.hpp"

namespace qloom::program {

/// Collects differences over batches of samples.
class Diff {
 public:
  explicit Diff(const Program& program);

  /// Samples first .. first + samples - 1: every tensor of a and b, (samples, height, width,
  /// channels). A tensor that one of them leaves empty is not compared. RunError where a tensor has
  /// another number of values.
  void add(std::int64_t first, std::int64_t samples, const std::vector<Values>& a,
           const std::vector<Values>& b);

  [[nodiscard]] bool differs() const { return first_.has_value(); }
  /// A table of the tensors in the order in which they are made; where something differs, the first
  /// difference with its place, both values and the steps behind it.
  [[nodiscard]] std::string text(const std::string& name_a, const std::string& name_b) const;

 private:
  struct Count {
    std::uint64_t values = 0, differing = 0;
  };
  /// The first difference of a tensor.
  struct Place {
    std::size_t tensor = 0;
    std::int64_t sample = 0, row = 0, column = 0, channel = 0;
    std::int64_t a = 0, b = 0;
    std::optional<std::array<std::int64_t, 2>> input;  ///< of the map that made it
  };

  void compare(std::size_t tensor, std::int64_t first, std::int64_t samples,
               const std::vector<Values>& a, const std::vector<Values>& b);
  [[nodiscard]] std::string explanation(const std::string& name_a, const std::string& name_b) const;

  const Program& program_;
  std::vector<std::size_t> order_;  ///< tensors as they are made
  std::vector<Count> counts_;       ///< by tensor
  std::optional<Place> first_;      ///< of the first tensor in order_ that differs
  std::size_t first_rank_ = 0;      ///< its place in order_
};

}  // namespace qloom::program
