// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// How a range estimator is called: rounds of passes, each over the same batches.
#pragma once

#include <cstdint>
#include <vector>

#include "host/methods/driver.hpp"

namespace qloom::methods {

class Range : public Driver {
 public:
  using Driver::Driver;

  /// How often it must see the same data; at least 1.
  [[nodiscard]] std::uint32_t passes() const { return ops().passes; }
  /// Are the extremes of the groups enough for it?
  [[nodiscard]] bool takes_extremes() const { return ops().observe_extremes != nullptr; }
  void begin(const qloom_range_context& grid, std::uint32_t pass) const;
  void observe(const qloom_tensor& x) const;
  /// In place of observe() where takes_extremes(): what qloom_kernels.extremes gives.
  void observe_extremes(const std::vector<double>& lo, const std::vector<double>& hi) const;
  void end(std::uint32_t pass) const;
  /// One range per group.
  void read(std::vector<qloom_range>& ranges, std::uint64_t groups) const;

 private:
  [[nodiscard]] const qloom_range_estimator& ops() const {
    return instance().ops<qloom_range_estimator>();
  }
};

}  // namespace qloom::methods
