// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>
#include <cmath>
#include <numeric>

#include <gtest/gtest.h>
#include <omp.h>

#include "host/data/datasets/dataset.hpp"

namespace qloom::data {
namespace {

/// Samples of 2 x 3 pixels, bytes 7 i mod 256; mean and deviation differ by channel.
Dataset byte_set(std::int64_t count, std::int64_t channels) {
  Dataset set;
  set.train.count = count;
  set.train.height = 2;
  set.train.width = 3;
  set.train.channels = channels;
  set.train.bytes.resize(static_cast<std::size_t>(count * 6 * channels));
  for (std::size_t i = 0; i < set.train.bytes.size(); ++i) {
    set.train.bytes[i] = static_cast<std::uint8_t>(7 * i);
  }
  for (std::int64_t i = 0; i < count; ++i) set.train.labels.push_back(static_cast<int>(i % 5));
  for (std::int64_t c = 0; c < channels; ++c) {
    set.mean.push_back(0.25F + 0.01F * static_cast<float>(c));
    set.deviation.push_back(0.5F + 0.03F * static_cast<float>(c));
  }
  return set;
}

TEST(ShuffledOrder, IsAPermutationThatDependsOnSeedAndEpochAlone) {
  const auto order = shuffled_order(1000, 7, 3);
  auto sorted = order;
  std::sort(sorted.begin(), sorted.end());
  std::vector<std::int32_t> all(1000);
  std::iota(all.begin(), all.end(), 0);
  EXPECT_EQ(sorted, all);
  EXPECT_EQ(order, shuffled_order(1000, 7, 3));
  EXPECT_NE(order, shuffled_order(1000, 7, 4));
  EXPECT_NE(order, shuffled_order(1000, 8, 3));
  EXPECT_NE(order, all);
}

TEST(ShuffledOrder, EveryOrderOfThreeIsAboutAsFrequent) {
  // 6000 epochs, 6 orders: 1000 each, deviation sqrt(6000 * 5 / 36) = 28.9; six deviations are 174,
  // passed by chance in fewer than one run in 10^7.
  std::vector<int> counts(27, 0);
  for (std::uint64_t epoch = 0; epoch < 6000; ++epoch) {
    const auto order = shuffled_order(3, 42, epoch);
    ++counts[static_cast<std::size_t>(9 * order[0] + 3 * order[1] + order[2])];
  }
  int orders = 0;
  for (const int count : counts) {
    if (count == 0) continue;
    ++orders;
    EXPECT_NEAR(count, 1000, 174);
  }
  EXPECT_EQ(orders, 6);
}

TEST(ShuffledOrder, OfNothingIsNothing) { EXPECT_TRUE(shuffled_order(0, 1, 0).empty()); }

TEST(MakeBatch, FollowsTheOrderAndTheNormalisationsFormula) {
  for (const std::int64_t channels : {1, 3, 9}) {  // with and without a table of the 256 values
    const Dataset set = byte_set(20, channels);
    const auto order = shuffled_order(20, 1, 0);
    const auto pixels = static_cast<std::size_t>(6 * channels);
    for (const auto how :
         {Normalisation::kStandard, Normalisation::kUnit, Normalisation::kSymmetric}) {
      std::vector<float> x(7 * pixels + 1, -99.0F);
      std::vector<std::int32_t> labels(8, -99);
      make_batch(set, set.train, how, order.data(), 5, 7, x.data(), labels.data());
      for (std::size_t row = 0; row < 7; ++row) {
        const auto sample = static_cast<std::size_t>(order[5 + row]);
        ASSERT_EQ(labels[row], set.train.labels[sample]);
        for (std::size_t i = 0; i < pixels; ++i) {
          const std::size_t c = i % static_cast<std::size_t>(channels);
          const double byte = set.train.bytes[sample * pixels + i];
          const double expected =
              how == Normalisation::kUnit ? byte / 255.0
              : how == Normalisation::kSymmetric
                  ? byte / 127.5 - 1.0
                  : (byte / 255.0 - double{set.mean[c]}) / double{set.deviation[c]};
          ASSERT_EQ(x[row * pixels + i], static_cast<float>(expected));
        }
      }
      EXPECT_EQ(x.back(), -99.0F) << "wrote past the batch";
      EXPECT_EQ(labels.back(), -99) << "wrote past the labels";
    }
  }
}

TEST(MakeBatch, HitsTheEndsOfTheSymmetricRange) {
  Dataset set = byte_set(1, 1);
  set.train.bytes = {0, 255, 0, 255, 51, 204};
  std::vector<float> x(6);
  std::int32_t label = 0;
  const std::int32_t order = 0;
  make_batch(set, set.train, Normalisation::kSymmetric, &order, 0, 1, x.data(), &label);
  EXPECT_EQ(x[0], -1.0F);
  EXPECT_EQ(x[1], 1.0F);
  EXPECT_EQ(x[4], -0.6F);
  make_batch(set, set.train, Normalisation::kUnit, &order, 0, 1, x.data(), &label);
  EXPECT_EQ(x[0], 0.0F);
  EXPECT_EQ(x[1], 1.0F);
}

TEST(MakeBatch, FloatImagesAreCopied) {
  Dataset set = byte_set(3, 1);
  set.train.bytes.clear();
  for (int i = 0; i < 18; ++i) set.train.values.push_back(0.1F * static_cast<float>(i));
  const std::vector<std::int32_t> order{2, 0, 1};
  std::vector<float> x(12);
  std::vector<std::int32_t> labels(2);
  make_batch(set, set.train, Normalisation::kStandard, order.data(), 0, 2, x.data(), labels.data());
  EXPECT_TRUE(std::equal(x.begin(), x.begin() + 6, set.train.values.begin() + 12));
  EXPECT_TRUE(std::equal(x.begin() + 6, x.end(), set.train.values.begin()));
  EXPECT_EQ(labels, (std::vector<std::int32_t>{2, 0}));
}

TEST(MakeBatch, IsTheSameForAnyNumberOfThreads) {
  const Dataset set = byte_set(301, 3);
  const auto order = shuffled_order(301, 5, 0);
  std::vector<std::vector<float>> results;
  const int keep = omp_get_max_threads();
  for (const int threads : {1, 2, 7}) {
    omp_set_num_threads(threads);
    results.emplace_back(301 * 18);
    std::vector<std::int32_t> labels(301);
    make_batch(set, set.train, Normalisation::kStandard, order.data(), 0, 301,
               results.back().data(), labels.data());
  }
  omp_set_num_threads(keep);
  EXPECT_EQ(results[0], results[1]);
  EXPECT_EQ(results[0], results[2]);
}

}  // namespace
}  // namespace qloom::data
