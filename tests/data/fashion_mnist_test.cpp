// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>
#include <cmath>
#include <filesystem>

#include <gtest/gtest.h>

#include "host/data/datasets/dataset.hpp"

namespace qloom::data {
namespace {

// The set's description (Xiao, Rasul, Vollgraf, 2017): 60,000 and 10,000 images of 28 x 28, ten
// classes of equal size. Mean 0.2860 and deviation 0.3530 of its train pixels are widely printed.
TEST(FashionMnist, ThePackagesFilesHoldWhatItsDescriptionSays) {
  if (!std::filesystem::exists("/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz")) {
    GTEST_SKIP() << "the package dataset-fashion-mnist is not installed";
  }
  Source source;
  source.dataset = "fashion-mnist";
  const Dataset set = load(source);
  EXPECT_EQ(set.train.count, 60000);
  EXPECT_EQ(set.test.count, 10000);
  EXPECT_EQ(set.train.bytes.size(), 60000U * 784U);
  EXPECT_EQ(set.classes, 10);
  for (int label = 0; label < 10; ++label) {
    EXPECT_EQ(std::count(set.train.labels.begin(), set.train.labels.end(), label), 6000);
    EXPECT_EQ(std::count(set.test.labels.begin(), set.test.labels.end(), label), 1000);
  }
  EXPECT_NEAR(set.mean[0], 0.2860, 0.00005);
  EXPECT_NEAR(set.deviation[0], 0.3530, 0.00005);
}

}  // namespace
}  // namespace qloom::data
