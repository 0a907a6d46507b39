// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A range estimator that sees rounds of several tensors, as a calibration shows them.
#pragma once

#include <span>

#include "host/kernels/kernels.hpp"
#include "host/methods/range.hpp"
#include "host/tensor/error.hpp"
#include "tests/support/method.hpp"

namespace qloom::test {

/// The grid of codes of `bits` bits; after_relu leaves the sign and the symmetry away.
inline qloom_range_context grid_of(std::uint32_t bits, bool symmetric = false,
                                   bool after_relu = false) {
  return {sizeof(qloom_range_context),
          bits,
          after_relu ? 0U : 1U,
          after_relu ? 1U : 0U,
          std::uint64_t{1} << bits,
          symmetric ? 1U : 0U,
          0};
}

class Observer {
 public:
  explicit Observer(const std::string& id, const std::string& params = "{}",
                    qloom_range_context context = grid_of(8))
      : range_(create("range", id, params)), context_(context) {}

  void begin(std::uint32_t pass) { range_.begin(context_, pass); }
  /// x as outer x groups x inner, inner from its size; a short last group with outer 1.
  void observe(const qloom_tensor& x) { range_.observe(x); }
  void observe(std::span<const float> x, std::uint64_t outer = 1, std::uint64_t groups = 1) {
    const auto n = static_cast<std::int64_t>(x.size());
    const std::uint64_t inner = (x.size() + outer * groups - 1) / (outer * groups);
    const qloom_tensor t{x.data(), &n, 1, x.size(), outer, groups, inner};
    range_.observe(t);
  }
  /// What the estimator needs of x, found by the host, where it takes that in place of x.
  void observe_extremes_of(std::span<const float> x, std::uint64_t groups) {
    std::vector<double> lo(groups), hi(groups);
    std::vector<std::uint64_t> nonfinite(groups);
    const qloom_tensor t{x.data(), nullptr, 0, x.size(), x.size() / groups, groups, 1};
    kernels::table().extremes(&t, lo.data(), hi.data(), nonfinite.data());
    range_.observe_extremes(lo, hi);
  }
  void end(std::uint32_t pass) { range_.end(pass); }
  /// One round: every batch in every pass.
  void round(const std::vector<std::vector<float>>& batches, std::uint64_t outer = 1,
             std::uint64_t groups = 1) {
    for (std::uint32_t pass = 0; pass < range_.passes(); ++pass) {
      begin(pass);
      for (const auto& x : batches) observe(x, outer, groups);
      end(pass);
    }
  }
  [[nodiscard]] std::vector<qloom_range> ranges(std::uint64_t groups = 1) {
    std::vector<qloom_range> out;
    range_.read(out, groups);
    return out;
  }
  /// What ranges() refuses with; empty when it does not.
  [[nodiscard]] std::string refusal(std::uint64_t groups = 1) {
    std::vector<qloom_range> out(groups);
    qloom_error error = registry::empty_error();
    const registry::Instance& raw = range_.instance();
    const auto status =
        raw.ops<qloom_range_estimator>().ranges(raw.self(), out.data(), groups, &error);
    if (status == QLOOM_OK) return {};
    EXPECT_EQ(status, error.code);
    return (status == QLOOM_E_ORDER ? "order: " : "other: ") + std::string(error.message);
  }
  [[nodiscard]] registry::Instance& instance() { return range_.instance(); }

 private:
  methods::Range range_;
  qloom_range_context context_;
};

/// Ranges of one round over one tensor.
inline std::vector<qloom_range> observed(const std::string& id, const std::string& params,
                                         const std::vector<float>& x,
                                         qloom_range_context context = grid_of(8),
                                         std::uint64_t outer = 1, std::uint64_t groups = 1) {
  Observer observer(id, params, context);
  observer.round({x}, outer, groups);
  return observer.ranges(groups);
}

/// The same answer from tensors and from their extremes.
inline void expect_extremes_are_enough(const std::string& id) {
  Observer whole(id), known(id);
  whole.begin(0);
  known.begin(0);
  for (const std::uint64_t seed : {1U, 2U}) {
    std::vector<float> x = values(gaussian({4000}, seed));
    for (std::size_t i = 0; i < x.size(); i += 700) x[i] = INFINITY;
    whole.observe(x, 800, 5);
    known.observe_extremes_of(x, 5);
  }
  const auto a = whole.ranges(5), b = known.ranges(5);
  for (std::size_t g = 0; g < 5; ++g) {
    EXPECT_EQ(a[g].lo, b[g].lo);
    EXPECT_EQ(a[g].hi, b[g].hi);
  }
}

/// Sum of (x - y)^2, in double.
inline double squared_error(const std::vector<float>& x, const std::vector<float>& y) {
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double difference = double{x[i]} - double{y[i]};
    sum += difference * difference;
  }
  return sum;
}

inline void expect_range(qloom_range actual, double lo, double hi, double tolerance = 0) {
  EXPECT_NEAR(actual.lo, lo, tolerance);
  EXPECT_NEAR(actual.hi, hi, tolerance);
}

/// What holds for every estimator: NaN and infinities are as if they were not there, a group
/// without a finite value is refused, groups are independent, a saved state answers the same.
/// tolerance: relative; sums of other values in between differ in their last bits.
inline void expect_observer_rules(const std::string& id, const std::string& params,
                                  double tolerance) {
  const std::vector<float> x = values(gaussian({4000}, 31));
  std::vector<float> with_gaps;
  for (std::size_t i = 0; i < x.size(); ++i) {
    with_gaps.push_back(x[i]);
    if (i % 1000 == 0) with_gaps.insert(with_gaps.end(), {NAN, INFINITY, -INFINITY});
  }
  const qloom_range clean = observed(id, params, x)[0], gaps = observed(id, params, with_gaps)[0];
  expect_range(gaps, clean.lo, clean.hi, tolerance * (clean.hi - clean.lo));

  Observer empty(id, params);
  EXPECT_NE(empty.refusal().find("order: no finite value"), std::string::npos) << empty.refusal();
  Observer hollow(id, params);
  hollow.round({{1, 2, NAN, INFINITY, -3, 5}}, 1, 3);
  EXPECT_NE(hollow.refusal(3).find("group 1"), std::string::npos) << hollow.refusal(3);
  EXPECT_NE(hollow.refusal(2).find("3 groups"), std::string::npos) << hollow.refusal(2);

  // 4000 values as 50 x 4 x 20
  const auto grouped = observed(id, params, x, grid_of(8), 50, 4);
  for (std::size_t g = 0; g < 4; ++g) {
    std::vector<float> own;
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (i / 20 % 4 == g) own.push_back(x[i]);
    }
    const qloom_range alone = observed(id, params, own)[0];
    expect_range(grouped[g], alone.lo, alone.hi, tolerance * (alone.hi - alone.lo));
  }
  Observer one(id, params), other(id, params);
  one.round({x}, 50, 4);
  other.instance().load(one.instance().save(), one.instance().state_version());
  const auto a = one.ranges(4), b = other.ranges(4);
  for (std::size_t g = 0; g < 4; ++g) expect_range(b[g], a[g].lo, a[g].hi);
}

}  // namespace qloom::test
