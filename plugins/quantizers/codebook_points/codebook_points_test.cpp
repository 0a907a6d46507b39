// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <cmath>

#include "host/tensor/error.hpp"
#include "tests/support/method.hpp"

namespace qloom::test {
namespace {

std::string points_rule(int points, const std::string& more = "") {
  return R"({"quantizer": {"plugin": "codebook_points", "points": )" + std::to_string(points) +
         more + "}}";
}
void set_points(Site& site, const std::vector<float>& points) {
  std::copy(points.begin(), points.end(), site.node.learned().at(0).value);
}
std::vector<float> points_of(Site& site) {
  const auto& learned = site.node.learned().at(0);
  return {learned.value, learned.value + learned.gradient.size()};
}

TEST(CodebookPoints, ValuesAndGradientsAreThoseOfTheHandbook) {
  const Tensor v = tensor({-1, -.2F, .1F, .6F, 1}), dy = tensor({.5F, -1, 2, .25F, 1});
  Site site(points_rule(4));
  (void)site.forward(v);
  set_points(site, {0, .3F, .55F, 1});
  expect_near(site.forward(v), {-1, -.4F, .1F, 1, 1}, 1e-6);
  EXPECT_EQ(site.encode(v), (std::vector<std::int32_t>{0, 1, 2, 3, 3}));
  EXPECT_EQ(site.backward(v, dy), values(dy));
  EXPECT_EQ(site.node.learned()[0].gradient, (std::vector<float>{1, -2, 4, 2.5F}));
}

TEST(CodebookPoints, GroupsHaveTheirOwnScaleAndCommonPoints) {
  const Tensor v = tensor({0, 1, 4, 10, 10.5F, 11});
  Site site(points_rule(3, R"(, "initial": "uniform", "granularity": {"group": 3})"));
  EXPECT_EQ(site.forward(v), (std::vector<float>{0, 2, 4, 10, 10.5F, 11}))
      << "a value in the middle goes to the higher point";
  (void)site.backward(v, tensor({1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(site.node.learned()[0].gradient,
            (std::vector<float>{4 * 1 + 1 * 4, 4 * 2 + 1 * 5, 4 * 3 + 1 * 6}));
}

TEST(CodebookPoints, StartsAtTheQuantiles) {
  Site site(points_rule(3));
  (void)site.forward(tensor({0, .1F, .2F, .4F, .5F, 1}));
  expect_near(points_of(site), {0, .3F, 1}, 1e-7);
}

TEST(CodebookPoints, APointGoesWhereItsGradientSays) {
  const Tensor v = gaussian({8, 8}, 3), dy = gaussian({8, 8}, 4);
  for (const char* more : {R"(, "initial": "uniform")", R"(, "granularity": "channel")"}) {
    SCOPED_TRACE(more);
    Site site(points_rule(5, more), {.name = "weight/test", .channel_axis = 0});
    (void)site.forward(v);
    const auto loss = [&] {
      double sum = 0;
      const auto y = site.forward(v);
      for (std::size_t i = 0; i < y.size(); ++i) sum += double{y[i]} * dy[i];
      return sum;
    };
    (void)site.backward(v, dy);
    const auto gradient = site.node.learned()[0].gradient;
    for (std::size_t j = 0; j < 5; ++j) {
      float& point = site.node.learned()[0].value[j];
      const float before = point;
      constexpr float kStep = 0x1p-14F;  // too small to move a value to another point
      const double middle = loss();
      point = before + kStep;
      EXPECT_NEAR((loss() - middle) / (double{point} - before), gradient[j], 2e-2) << j;
      point = before;
    }
  }
}

TEST(CodebookPoints, PointsAreSortedAfterAnUpdate) {
  Site site(points_rule(3));
  (void)site.forward(tensor({0, .5F, 1}));
  set_points(site, {.7F, .1F, .4F});
  site.node.after_update();
  EXPECT_EQ(points_of(site), (std::vector<float>{.1F, .4F, .7F}));
  set_points(site, {.7F, NAN, .4F});
  EXPECT_THROW(site.node.after_update(), RunError);
}

TEST(CodebookPoints, AConstantGroupIsExact) {
  Site site(points_rule(4, R"(, "initial": "uniform")"));
  EXPECT_EQ(site.forward(tensor({.3F, .3F})), (std::vector<float>{.3F, .3F}));
}

TEST(CodebookPoints, Conforms) {
  const Tensor x = gaussian({37, 9, 31}, 2);
  expect_conforms(points_rule(4, R"(, "granularity": {"group": 256})"), x);
  expect_conforms(points_rule(13, R"(, "granularity": "channel")"), x);
}

}  // namespace
}  // namespace qloom::test
