// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <cmath>

#include "host/tensor/error.hpp"
#include "tests/support/method.hpp"

namespace qloom::test {
namespace {

const std::vector<float> kLaqWeights{.9F, -.4F, .1F, -1.2F, .6F, .3F};

/// Second moments whose roots are D.
std::vector<float> squared(std::vector<float> d) {
  for (float& v : d) v *= v;
  return d;
}
std::vector<float> laq_of(const std::vector<float>& w, const std::vector<float>& moment,
                          const std::string& parameters) {
  Site site(R"({"quantizer": {"plugin": "laq", )" + parameters + "}}");
  site.node.tell({.second_moment = moment.data()});
  return site.forward(tensor(w));
}

TEST(Laq, TernaryAndBinaryScalesAreThoseOfTheHandbook) {
  const std::vector<float> moment = squared({1, 2, 1, .5F, 1, 3});
  const float a = .506667F, b = .458824F;
  expect_near(laq_of(kLaqWeights, moment, R"("bits": 2)"), {a, -a, 0, -a, a, a}, 1e-6);
  expect_near(laq_of(kLaqWeights, moment, R"("bits": 1)"), {b, -b, b, -b, b, b}, 1e-6);
}

TEST(Laq, WithEqualCurvatureItIsPlainLeastSquares) {
  const std::vector<float> moment(6, .25F);
  EXPECT_EQ(laq_of(kLaqWeights, moment, R"("bits": 2)"),
            laq_of(kLaqWeights, moment, R"("bits": 2, "importance": "ones")"));
  float mean = 0;
  for (const float w : kLaqWeights) mean += std::abs(w) / 6;
  expect_near(laq_of(kLaqWeights, moment, R"("bits": 1)"), {mean, -mean, mean, -mean, mean, mean},
              1e-6);
}

TEST(Laq, NoScaleNearbyHasLessWeightedErrorWithTheseLevels) {
  const std::vector<float> w = values(gaussian({500}, 3));
  const std::vector<float> moment = squared(values(uniform({500}, 4, .1F, 2)));
  for (int bits = 2; bits < 6; ++bits) {
    const std::vector<float> y =
        laq_of(w, moment, R"("max_iterations": 1000, "bits": )" + std::to_string(bits));
    const double n = (1 << (bits - 1)) - 1;
    const double a = *std::max_element(y.begin(), y.end());
    const auto error = [&](double scale) {
      double sum = 0;
      for (std::size_t i = 0; i < w.size(); ++i) {
        const double level = y[i] / a;
        sum += (std::sqrt(moment[i]) + 1e-8) * std::pow(w[i] - scale * level, 2);
      }
      return sum;
    };
    for (const double nearby : {.999, .9999, 1.0001, 1.001}) {
      EXPECT_LE(error(a), error(a * nearby) * (1 + 1e-9)) << bits << " " << nearby;
    }
    for (std::size_t i = 0; i < w.size(); ++i) {
      EXPECT_NEAR(y[i], a * std::nearbyint(std::clamp(w[i] / a, -1.0, 1.0) * n) / n, 1e-6);
    }
  }
}

TEST(Laq, ZerosStayZeroAndAMissingSecondMomentIsToldAfterTheFirstStep) {
  Site site(R"({"quantizer": {"plugin": "laq"}})");
  EXPECT_EQ(site.forward(tensor({0, 0, 0})), (std::vector<float>{0, 0, 0}));
  EXPECT_NO_THROW(site.forward(tensor({1, 2, 3})));
  EXPECT_THROW(site.forward(tensor({1, 2, 3}), true, 1), RunError);
}

TEST(Laq, Conforms) {
  for (const char* bits : {"1", "2", "4"}) {
    expect_conforms(R"({"quantizer": {"plugin": "laq", "importance": "ones", "bits": )" +
                        std::string(bits) + R"(, "granularity": "channel"}})",
                    gaussian({7, 5, 3, 4}, 9));
  }
}

}  // namespace
}  // namespace qloom::test
