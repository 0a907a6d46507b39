// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "tests/support/observer.hpp"

namespace qloom::test {
namespace {

TEST(ConstantRange, IsWhatItIsGivenForEveryGroup) {
  const auto r = observed("constant", R"({"lo": -0.5, "hi": 2})", {1, 2, 3, 400}, grid_of(8), 1, 2);
  expect_range(r[0], -0.5, 2);
  expect_range(r[1], -0.5, 2);
  expect_range(observed("constant", "{}", {77})[0], -1, 1);
}

TEST(ConstantRange, ClipsWhatLiesBeyondIt) {
  // WRPN's weights: 2 codes of sign and magnitude in [-1, 1]
  Site site(
      R"({"quantizer": {"plugin": "affine", "bits": 2, "symmetric": true, "narrow_range": true},
                "range": {"plugin": "constant", "lo": -1, "hi": 1}})");
  EXPECT_EQ(site.forward(tensor({-3, -0.6F, 0.2F, 1, 5})), (std::vector<float>{-1, -1, 0, 1, 1}));
}

TEST(ConstantRange, RefusesEndsInTheWrongOrder) {
  EXPECT_THROW(create("range", "constant", R"({"lo": 2, "hi": 1})"), InputError);
  EXPECT_NO_THROW(create("range", "constant", R"({"lo": 1, "hi": 1})"));
}

TEST(ConstantRange, ExtremesAreEnough) { expect_extremes_are_enough("constant"); }
TEST(ConstantRange, FollowsTheRulesOfEstimators) { expect_observer_rules("constant", "{}", 0); }

}  // namespace
}  // namespace qloom::test
