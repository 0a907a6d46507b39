// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "tests/support/observer.hpp"

namespace qloom::test {
namespace {

/// A batch of samples of equal size.
void observe_batch(Observer& observer, const std::vector<float>& x, std::int64_t samples,
                   std::uint64_t outer = 1, std::uint64_t groups = 1) {
  const std::int64_t shape[] = {samples, static_cast<std::int64_t>(x.size()) / samples};
  const qloom_tensor t{x.data(), shape, 2, x.size(), outer, groups, x.size() / (outer * groups)};
  observer.observe(t);
}

TEST(AvgMinmax, IsTheMeanOverTheSamples) {
  // Handbook 14: two samples with largest values 4 and 8
  Observer observer("avg_minmax");
  observer.begin(0);
  observe_batch(observer, {-1, 4, -3, 8}, 2);
  expect_range(observer.ranges()[0], -2, 6);
}

TEST(AvgMinmax, IsTheMeanOverTheBatchesOfARound) {
  // Batches {4} and {8, 8}: every batch counts the same
  Observer observer("avg_minmax");
  observer.begin(0);
  observe_batch(observer, {0, 4}, 1);
  observe_batch(observer, {0, 8, 0, 8}, 2);
  expect_range(observer.ranges()[0], 0, 6);
  observer.begin(0);
  observe_batch(observer, {-2, 1}, 1);
  expect_range(observer.ranges()[0], -2, 1);
}

TEST(AvgMinmax, CutsABatchIntoPieces) {
  const std::vector<float> x{1, 2, 3, 4, 5, 6, 7, 8, 9, 10};  // ten samples of one value
  const auto at = [&](const char* pieces) {
    Observer observer("avg_minmax", std::string("{\"pieces\": ") + pieces + "}");
    observer.begin(0);
    observe_batch(observer, x, 10);
    return observer.ranges()[0];
  };
  expect_range(at("1"), 1, 10);
  expect_range(at("2"), (1 + 6) / 2.0, (5 + 10) / 2.0);
  expect_range(at("3"), (1 + 4 + 7) / 3.0, (3 + 6 + 10) / 3.0);
  expect_range(at("16"), 5.5, 5.5);
}

TEST(AvgMinmax, MorePiecesThanSamplesAreTheSamples) {
  Observer observer("avg_minmax", R"({"pieces": 7})");
  observer.begin(0);
  observe_batch(observer, {-1, 4, -3, 8}, 2);
  expect_range(observer.ranges()[0], -2, 6);
}

TEST(AvgMinmax, KeepsChannelsApart) {
  Observer observer("avg_minmax");
  observer.begin(0);
  // 2 samples x 2 positions x 2 channels, channels innermost
  observe_batch(observer, {1, -1, 3, -3, 5, -5, 9, -9}, 2, 4, 2);
  expect_range(observer.ranges(2)[0], 3, 6);
  expect_range(observer.ranges(2)[1], -6, -3);
}

TEST(AvgMinmax, OnePieceIsMinMax) {
  expect_observer_rules("avg_minmax", R"({"pieces": 1})", 0);
  const auto x = values(gaussian({3001}, 2));
  const auto r = observed("min_max", "{}", x)[0];
  expect_range(observed("avg_minmax", R"({"pieces": 1})", x)[0], r.lo, r.hi);
}

}  // namespace
}  // namespace qloom::test
