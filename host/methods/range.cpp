// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/methods/range.hpp"

namespace qloom::methods {

void Range::begin(const qloom_range_context& grid, std::uint32_t pass) const {
  call(
      "begin", [&](qloom_error* error) { return ops().begin(self(), &grid, pass, error); }, nullptr,
      Names::kMethodAlone);
}

void Range::observe(const qloom_tensor& x) const {
  call("observe", [&](qloom_error* error) { return ops().observe(self(), &x, error); });
}

void Range::observe_extremes(const std::vector<double>& lo, const std::vector<double>& hi) const {
  call("observe", [&](qloom_error* error) {
    return ops().observe_extremes(self(), lo.data(), hi.data(), lo.size(), error);
  });
}

void Range::end(std::uint32_t pass) const {
  call(
      "end", [&](qloom_error* error) { return ops().end(self(), pass, error); }, nullptr,
      Names::kMethodAlone);
}

void Range::read(std::vector<qloom_range>& ranges, std::uint64_t groups) const {
  ranges.resize(groups);
  call(
      "ranges",
      [&](qloom_error* error) { return ops().ranges(self(), ranges.data(), groups, error); },
      place().empty() ? "ranges" : "ranges of");
}

}  // namespace qloom::methods
