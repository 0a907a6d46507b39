// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/json/names.hpp"

#include <gtest/gtest.h>

namespace qloom::json {
namespace {

TEST(NearestName, OneSlipIsForgiven) {
  EXPECT_EQ(nearest_name("bist", {"granularity", "bits"}), "bits");  // swapped letters
  EXPECT_EQ(nearest_name("nearest_evn", {"nearest_up", "nearest_even"}), "nearest_even");
  EXPECT_EQ(nearest_name("minmax", {"min_max", "percentile"}), "min_max");
}

TEST(NearestName, NothingIsOfferedWhenMostLettersDiffer) {
  EXPECT_EQ(nearest_name("twn", {"affine", "lsq", "pact"}), "");
  EXPECT_EQ(nearest_name("x", {}), "");
  EXPECT_EQ(nearest_name("abcd", {"abxy"}), "abxy");  // exactly half
  EXPECT_EQ(nearest_name("abcd", {"axyz"}), "");
}

TEST(NearestName, TheSmallestDistanceWinsThenTheFirst) {
  EXPECT_EQ(nearest_name("range", {"ranges_", "ranges"}), "ranges");
  EXPECT_EQ(nearest_name("aa", {"ab", "ac"}), "ab");
}

}  // namespace
}  // namespace qloom::json
