// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "host/tensor/error.hpp"
#include "tests/support/method.hpp"

namespace qloom::test {
namespace {

const sites::SiteContext kHwgqSite{.name = "activation/test"};

std::string hwgq(const std::string& parameters) {
  return R"({"quantizer": {"plugin": "hwgq")" + parameters + "}}";
}
std::string hwgq(const std::string& spacing, int bits) {
  return hwgq(R"(, "spacing": ")" + spacing + R"(", "bits": )" + std::to_string(bits));
}
const char* const kReleased = R"(, "bits": 2, "step": 0.538)";

TEST(Hwgq, MatchesTheHandbookWithTheReleasedStep) {
  Site site(hwgq(kReleased), kHwgqSite);
  const Tensor x = tensor({-0.2F, 0.0F, 0.001F, 0.5F, 0.807F, 0.808F, 1.3F, 1.35F, 5.0F});
  const std::vector<std::int32_t> codes{0, 0, 1, 1, 1, 2, 2, 3, 3};
  EXPECT_EQ(site.encode((site.forward(x), x)), codes);
  expect_near(site.forward(x), {0, 0, 0.538F, 0.538F, 0.538F, 1.076F, 1.076F, 1.614F, 1.614F},
              1e-6);
  const auto encoding = site.node.encoding();
  EXPECT_EQ(encoding.kind, static_cast<std::uint32_t>(QLOOM_ENCODING_AFFINE));
  EXPECT_EQ(encoding.bits, 2U);
  EXPECT_EQ(encoding.grid.scale[0], 0.538F);
}

double density(double x) { return std::exp(-x * x / 2) / std::sqrt(2 * std::numbers::pi); }
double tail(double x) { return 0.5 * std::erfc(x / std::numbers::sqrt2); }

/// Of the whole quantizer, as it is: E (Q(x) - max(x, 0))^2 over standard normal x, by the middle
/// rule on [0, 8]; steps of 1/4096 leave far less than 1e-6.
double mean_square_error(const std::string& spacing, int bits) {
  std::vector<float> x;
  for (int i = 0; i < 8 * 4096; ++i) x.push_back((static_cast<float>(i) + 0.5F) / 4096.0F);
  Site site(hwgq(spacing, bits), kHwgqSite);
  const auto y = site.forward(tensor(x));
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    sum += std::pow(double{y[i]} - x[i], 2) * density(x[i]) / 4096;
  }
  return sum;
}

TEST(Hwgq, HasTheErrorsOfTheHandbook) {
  const double uniform[] = {0.18169, 0.043221, 0.010203, 0.0025126};
  const double optimal[] = {0.18169, 0.028989, 0.006116, 0.0014196};
  for (int bits = 1; bits <= 4; ++bits) {
    EXPECT_NEAR(mean_square_error("uniform", bits), uniform[bits - 1], 3e-6) << bits;
    EXPECT_NEAR(mean_square_error("optimal", bits), optimal[bits - 1], 3e-6) << bits;
  }
}

/// Lloyd's condition: each level is the mean of the values between its thresholds.
TEST(Hwgq, OptimalLevelsAreTheMeansOfTheirIntervals) {
  for (int bits = 1; bits <= 4; ++bits) {
    Site site(hwgq("optimal", bits), kHwgqSite);
    site.forward(tensor({1.0F}));
    const auto encoding = site.node.encoding();
    ASSERT_EQ(encoding.kind, static_cast<std::uint32_t>(QLOOM_ENCODING_CODEBOOK));
    ASSERT_EQ(encoding.codebook_size, std::uint64_t{1} << bits);
    EXPECT_EQ(encoding.codebook[0], 0.0F);
    EXPECT_EQ(encoding.threshold[0], 0.0F);
    for (std::uint64_t i = 1; i < encoding.codebook_size; ++i) {
      const bool is_last = i + 1 == encoding.codebook_size;
      const double low = encoding.threshold[i - 1];
      const double high = is_last ? 40.0 : double{encoding.threshold[i]};
      EXPECT_NEAR(encoding.codebook[i], (density(low) - density(high)) / (tail(low) - tail(high)),
                  2e-6);
    }
  }
}

TEST(Hwgq, CodesCountTheThresholdsBelow) {
  for (const std::string spacing : {"uniform", "optimal"}) {
    Site site(hwgq(spacing, 3), kHwgqSite);
    auto x = values(gaussian({999}, 4, 1.5F));
    std::sort(x.begin(), x.end());
    const auto y = site.forward(tensor(x));
    EXPECT_TRUE(std::is_sorted(y.begin(), y.end()));
    for (std::size_t i = 0; i < x.size(); ++i) EXPECT_EQ(y[i] > 0, x[i] > 0) << x[i];
    EXPECT_EQ(site.encode(tensor({-1.0F, 0.0F, 1e-45F, 3e38F})),
              (std::vector<std::int32_t>{0, 0, 1, 7}));
  }
}

std::vector<float> gradient_of(const std::string& ste, const std::vector<float>& x) {
  Site site(hwgq(kReleased + (R"(, "ste": ")" + ste + R"(")")), kHwgqSite);
  site.forward(tensor(x));
  return site.backward(tensor(x), tensor(std::vector<float>(x.size(), 1.0F)));
}

TEST(Hwgq, GradientsMatchTheHandbook) {
  const std::vector<float> x{-1.0F, 0.0F, 0.001F, 1.614F, 1.62F, 3.0F};
  EXPECT_EQ(gradient_of("clipped_relu", x), (std::vector<float>{0, 0, 1, 1, 0, 0}));
  EXPECT_EQ(gradient_of("relu", x), (std::vector<float>{0, 0, 1, 1, 1, 1}));
  const auto tailed = gradient_of("log_tailed", x);
  EXPECT_NEAR(tailed[5], 0.419111, 1e-6);
  EXPECT_EQ(tailed[3], 1.0F);
  EXPECT_NEAR(tailed[4], 1 / 1.006, 1e-6);
}

/// The surrogate itself is q_m + log(x - q_m + 1) above q_m: 2.483618 at 3.
TEST(Hwgq, TheLogTailIntegratesToTheSurrogate) {
  std::vector<float> x;
  for (int i = 0; i < 3000; ++i) x.push_back((static_cast<float>(i) + 0.5F) / 1000.0F);
  double sum = 0;
  for (const float slope : gradient_of("log_tailed", x)) sum += slope / 1000.0;
  EXPECT_NEAR(sum, 2.483618, 2e-4);
}

TEST(Hwgq, RefusesWhatItHasNoLevelsFor) {
  for (const std::string bad : {R"(, "bits": 5)", R"(, "ste": "identity")", R"(, "step": 0)"}) {
    EXPECT_THROW(Site(hwgq(bad), kHwgqSite), InputError) << bad;
  }
}

TEST(Hwgq, Conforms) {
  for (const std::string spacing : {"uniform", "optimal"}) {
    for (const int bits : {1, 2, 4}) {
      expect_conforms(hwgq(spacing, bits), gaussian({9, 7, 5, 31}, 1), kHwgqSite);
      expect_conforms(hwgq(spacing, bits), gaussian({7}, 2), kHwgqSite);
    }
  }
}

}  // namespace
}  // namespace qloom::test
