// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/tensor/error.hpp"
#include "tests/support/method.hpp"

namespace qloom::test {
namespace {

/// With a range of the tensor itself, or with learned ends.
std::string nudged_rule(int bits, bool learns, const std::string& more = "") {
  return R"({"quantizer": {"plugin": "affine_nudged", "bits": )" + std::to_string(bits) + more +
         (learns ? R"(, "learns_range": true})" : R"(}, "range": {"plugin": "min_max"})") +
         R"(, "rounding": {"plugin": "nearest_up"}})";
}

struct Nudge {
  float lo, hi, scale;
  int zero_point;
  float low, high;  // of the nudged range
};

TEST(AffineNudged, RangesAreNudgedAsTheHandbookHasIt) {
  // the second: z before rounding is 2.5, which ties to even would make 2
  for (const Nudge& n :
       {Nudge{-.1F, 6, 6.1F / 255, 4, -.09568627F, 6.0043137F}, Nudge{-2.5F, 252.5F, 1, 3, -3, 252},
        Nudge{1, 5, 5.0F / 255, 0, 0, 5}, Nudge{-5, -1, 5.0F / 255, 255, -5, 0}}) {
    Site site(R"({"quantizer": {"plugin": "affine_nudged", "learns_range": true}})");
    const auto ends = site.forward(tensor({n.lo, n.hi, 1000, -1000}));
    site.learned_value("lo") = n.lo;
    site.learned_value("hi") = n.hi;
    const auto y = site.forward(tensor({-1000, 1000, 0}));
    EXPECT_NEAR(y[0], n.low, 1e-6) << n.lo;
    EXPECT_NEAR(y[1], n.high, 1e-5) << n.lo;
    EXPECT_EQ(y[2], 0.0F) << n.lo;
    const auto grid = site.node.encoding().grid;
    EXPECT_EQ(grid.zero_point[0], n.zero_point) << n.lo;
    EXPECT_NEAR(grid.scale[0], n.scale, 1e-8) << n.lo;
  }
}

TEST(AffineNudged, NarrowRangeLeavesOutTheLowestCode) {
  Site site(R"({"quantizer": {"plugin": "affine_nudged", "learns_range": true,
                              "narrow_range": true}})");
  const Tensor x = tensor({-127, 127, 0, 1});
  EXPECT_EQ(site.forward(x), values(x));
  EXPECT_EQ(site.encode(x), (std::vector<std::int32_t>{1, 255, 128, 129}));
}

TEST(AffineNudged, GradientPassesInsideTheNudgedRangeAndMovesItsEnds) {
  Site site(nudged_rule(8, true));
  (void)site.forward(tensor({-2.5F, 252.5F}));  // nudged to [-3, 252]
  const Tensor x = tensor({-3, -3.01F, 252, 252.25F, 300, 7});
  (void)site.forward(x);
  EXPECT_EQ(site.backward(x, tensor({1, 2, 4, 8, 16, 32})),
            (std::vector<float>{1, 0, 4, 0, 0, 32}));
  EXPECT_EQ(site.learned_gradient("lo"), 2.0F);
  EXPECT_EQ(site.learned_gradient("hi"), 24.0F);
}

TEST(AffineNudged, WithARangeOfTheRuleTheGradientIsTheMask) {
  Site site(nudged_rule(8, false));
  const Tensor x = tensor({-2.5F, 252.5F, -2, 252, 7});  // nudged to [-3, 252]
  EXPECT_EQ(site.forward(x), (std::vector<float>{-2, 252, -2, 252, 7}));
  EXPECT_EQ(site.backward(x, tensor({1, 2, 4, 8, 16})), (std::vector<float>{1, 0, 4, 8, 16}));
  EXPECT_TRUE(site.node.learned().empty());
}

TEST(AffineNudged, HalvesGoUpWithTheRoundingOfTheAuthors) {
  Site site(nudged_rule(8, true));
  (void)site.forward(tensor({-3, 252}));
  EXPECT_EQ(site.forward(tensor({.5F, 1.5F, -.5F, -1.5F})), (std::vector<float>{1, 2, 0, -1}));
}

TEST(AffineNudged, EndsMustBeFinite) {
  Site site(nudged_rule(8, true));
  (void)site.forward(tensor({-3, 252}));
  site.learned_value("hi") = HUGE_VALF;
  EXPECT_THROW(site.node.after_update(), RunError);
}

TEST(AffineNudged, Conforms) {
  const Tensor x = gaussian({37, 9, 31}, 2);
  for (const bool learns : {false, true}) {
    expect_conforms(nudged_rule(4, learns), x);
    expect_conforms(nudged_rule(8, learns, R"(, "granularity": "channel")"), x);
  }
}

}  // namespace
}  // namespace qloom::test
