// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Bits per group (Banner, Nahshan, Soudry, 2019): widths, the grids of each, what is told of them.
#include <algorithm>
#include <cmath>

#include "host/tensor/error.hpp"
#include "tests/support/method.hpp"

namespace qloom::test {
namespace {

const sites::SiteContext kRows{.name = "weight/test", .channel_axis = 0};

/// `more`: parameters, each behind a comma.
std::string per_channel(int bits, const std::string& more, const std::string& range) {
  return R"({"quantizer": {"plugin": "affine", "granularity": "channel", "bits": )" +
         std::to_string(bits) + more + R"(}, "range": )" + range + "}";
}
std::string allocated(int bits, const std::string& more = "",
                      const std::string& range = R"({"plugin": "min_max"})") {
  return per_channel(bits, R"(, "bit_allocation": "aciq")" + more, range);
}

/// One channel from -a to a for each a.
Tensor rows_to(const std::vector<float>& ends) {
  std::vector<float> values;
  for (const float a : ends) values.insert(values.end(), {-a, -a / 3, a / 5, a});
  return tensor(values, {static_cast<std::int64_t>(ends.size()), 4});
}

std::vector<float> widths_of(const Site& site) {
  const qloom_encoding e = site.node.encoding();
  EXPECT_NE(e.bits_of_group, nullptr);
  return {e.bits_of_group, e.bits_of_group + e.groups};
}
std::vector<float> widths(const std::vector<float>& ends, int bits, const std::string& more = "") {
  Site site(allocated(bits, more), kRows);
  (void)site.forward(rows_to(ends));
  return widths_of(site);
}

using Widths = std::vector<float>;

TEST(BitAllocation, WidthsAreThoseOfTheHandbook) {
  for (const char* symmetry : {"", R"(, "symmetric": true)", R"(, "exact_zero": false)"}) {
    EXPECT_EQ(widths({1, 8}, 4, symmetry), (Widths{3, 5})) << symmetry;
    EXPECT_EQ(widths({1, 1, 1, 27}, 4, symmetry), (Widths{2, 2, 2, 6})) << symmetry;
    EXPECT_EQ(widths({5, 5, 5}, 4, symmetry), (Widths{4, 4, 4})) << symmetry;
  }
  EXPECT_EQ(widths({1, 1, 1, 27}, 4, R"(, "width_rounding": "up")"), (Widths{3, 3, 3, 6}));
  EXPECT_EQ(widths({1, 1, 1, 27}, 4, R"(, "width_search": true)"), (Widths{3, 3, 3, 7}));
}

TEST(BitAllocation, WidthsStayBetween0And8) {
  EXPECT_EQ(widths({1, 1000}, 2), (Widths{0, 3}));
  EXPECT_EQ(widths({1, 1, 1, 1, 1, 1, 1, 1e6F}, 8), (Widths{0, 0, 0, 0, 0, 0, 0, 8}));
  EXPECT_EQ(widths({0, 0}, 3), (Widths{3, 3})) << "nothing to share out by";
  EXPECT_EQ(widths({0, 1}, 3), (Widths{0, 4}));
}

/// The widths before rounding have the least noise of all with as many codes.
TEST(BitAllocation, SharesHaveTheLeastNoise) {
  const auto noise = [](double bins) {
    return 1.0 / (bins * bins) + 64.0 / std::pow(32 - bins, 2);
  };
  double best = 1;
  for (double bins = 1; bins < 31; bins += .001) {
    if (noise(bins) < noise(best)) best = bins;
  }
  EXPECT_NEAR(best, 6.4, .001);
  EXPECT_EQ(std::nearbyint(std::log2(best)), 3);
  EXPECT_EQ(std::nearbyint(std::log2(32 - best)), 5);
}

TEST(BitAllocation, EachGroupHasTheGridOfItsWidth) {
  const Tensor x = rows_to({1, 8});
  for (const std::string more : {"", R"(, "symmetric": true)", R"(, "exact_zero": false)",
                                 R"(, "symmetric": true, "narrow_range": true)",
                                 R"(, "signed": true, "scale": "power_of_two")"}) {
    Site site(allocated(4, more), kRows);
    const std::vector<float> y = site.forward(x);
    const std::vector<std::int32_t> codes = site.encode(x);
    for (const std::size_t g : {0, 1}) {
      Site own(per_channel(g == 0 ? 3 : 5, more, R"({"plugin": "min_max"})"), kRows);
      const std::vector<float> expected = own.forward(x);
      const std::vector<std::int32_t> own_codes = own.encode(x);
      for (std::size_t i = 4 * g; i < 4 * g + 4; ++i) {
        EXPECT_EQ(y[i], expected[i]) << more << " element " << i;
        EXPECT_EQ(codes[i], own_codes[i]) << more << " element " << i;
      }
    }
    EXPECT_EQ(site.node.encoding().bits, 5U) << more;
    const Tensor dy = tensor(std::vector<float>(8, 2.0F), {2, 4});
    EXPECT_EQ(site.backward(x, dy).size(), 8U);
  }
}

TEST(BitAllocation, AGroupOf0BitsIsOneValue) {
  const Tensor x = rows_to({1, 1000});
  for (const char* symmetry : {"", R"(, "symmetric": true)", R"(, "signed": true)"}) {
    Site site(allocated(2, symmetry), kRows);
    const std::vector<float> y = site.forward(x);
    EXPECT_EQ(std::vector<float>(y.begin(), y.begin() + 4), (std::vector<float>{0, 0, 0, 0}));
    EXPECT_NE(y[4], y[7]);
    EXPECT_EQ(site.encode(x)[2], 0);
  }
  Site offset(allocated(2, R"(, "exact_zero": false)"), kRows);
  const std::vector<float> y = offset.forward(x);
  EXPECT_EQ(std::vector<float>(y.begin(), y.begin() + 4), (std::vector<float>{-1, -1, -1, -1}));
  EXPECT_EQ(y[4], -1000);
}

TEST(BitAllocation, OneSymmetricBitHasTheTwoEndsBesideOtherWidths) {
  const Tensor x = rows_to({1, 5.2F});
  Site site(allocated(2, R"(, "symmetric": true)"), kRows);
  const std::vector<float> y = site.forward(x);
  EXPECT_EQ(widths_of(site), (Widths{1, 3}));
  EXPECT_EQ(std::vector<float>(y.begin(), y.begin() + 4), (std::vector<float>{-1, -1, 1, 1}));
  const auto codes = site.encode(x);
  EXPECT_EQ(std::vector<std::int32_t>(codes.begin(), codes.begin() + 4),
            (std::vector<std::int32_t>{-1, -1, 0, 0}));
}

/// The range of a width is what the estimator gives for a grid of that width.
void expect_ranges_of_width(const std::string& prior, const std::string& more,
                            const sites::SiteContext& context, const Tensor& x) {
  const std::string range = R"({"plugin": "aciq", "prior": ")" + prior + "\"}";
  Site site(allocated(3, more + R"(, "clip_prior": ")" + prior + "\"", range), context);
  (void)site.forward(x);
  const std::vector<float> found = widths_of(site);
  EXPECT_GT(*std::max_element(found.begin(), found.end()), 3.0F);
  EXPECT_LT(*std::min_element(found.begin(), found.end()), 3.0F);
  const qloom_encoding e = site.node.encoding();
  for (std::size_t g = 0; g < found.size(); ++g) {
    Site own(per_channel(static_cast<int>(found[g]), more, range), context);
    (void)own.forward(x);
    const qloom_encoding one = own.node.encoding();
    EXPECT_NEAR(e.grid.scale[g] / one.grid.scale[g], 1.0, 1e-6) << prior << more << " group " << g;
    EXPECT_EQ(e.grid.zero_point[g], one.grid.zero_point[g]) << prior << more << " group " << g;
  }
}

TEST(BitAllocation, ARangeFollowsItsWidthAsThatOfAciqDoes) {
  std::vector<float> signed_rows, relu_columns;
  const Tensor normal = gaussian({3, 400}, 17);
  for (std::size_t i = 0; i < normal.size(); ++i) {
    signed_rows.push_back(normal[i] * std::pow(6.0F, static_cast<float>(i / 400)));
  }
  for (std::size_t i = 0; i < normal.size(); ++i) {
    relu_columns.push_back(std::max(0.0F, normal[i]) * std::pow(6.0F, static_cast<float>(i % 3)));
  }
  const Tensor weights = tensor(signed_rows, {3, 400}), inputs = tensor(relu_columns, {400, 3});
  const sites::SiteContext activation{.name = "activation/test",
                                      .channel_axis = -1,
                                      .has_batch_axis = true,
                                      .tracks_range = true,
                                      .after_relu = true};
  for (const char* prior : {"laplace", "gauss"}) {
    expect_ranges_of_width(prior, R"(, "symmetric": true)", kRows, weights);
    expect_ranges_of_width(prior, "", activation, inputs);
    expect_ranges_of_width(prior, R"(, "symmetric": true, "signed": "auto")", activation, inputs);
  }
}

TEST(BitAllocation, MoreBitsGoWhereTheyLessenTheError) {
  std::vector<float> w;
  const Tensor normal = gaussian({8, 500}, 23);
  for (std::size_t i = 0; i < normal.size(); ++i) {
    w.push_back(normal[i] * std::pow(2.0F, static_cast<float>(i / 500)));
  }
  const Tensor x = tensor(w, {8, 500});
  const auto error_of = [&](const std::string& more) {
    Site site(per_channel(3, R"(, "exact_zero": false)" + more,
                          R"({"plugin": "aciq", "prior": "gauss"})"),
              kRows);
    const std::vector<float> y = site.forward(x);
    double sum = 0;
    for (std::size_t i = 0; i < y.size(); ++i) sum += std::pow(double{y[i]} - double{x[i]}, 2);
    return sum;
  };
  const std::string shared = R"(, "bit_allocation": "aciq")";
  const std::string clipped = shared + R"(, "clip_prior": "gauss")";
  EXPECT_LT(error_of(clipped), .6 * error_of(""));
  EXPECT_LT(error_of(clipped), error_of(shared));
}

TEST(BitAllocation, RefusesWhatHasNoWidths) {
  EXPECT_THROW(Site(allocated(9), kRows), InputError);
  EXPECT_THROW(Site(allocated(3, R"(, "overflow": "wrap")"), kRows), InputError);
  EXPECT_THROW(Site(allocated(3, R"(, "clip_prior": "best")"), kRows), InputError);
}

TEST(BitAllocation, ARepairOfTheMeansLeavesWidthsAndCodes) {
  const Tensor w = rows_to({1, 1, 1, 27});
  Site plain(allocated(4), kRows), repaired(allocated(4, R"(, "repair": "mean")"), kRows);
  (void)plain.forward(w);
  const auto y = repaired.forward(w);
  EXPECT_EQ(widths_of(repaired), widths_of(plain));
  EXPECT_EQ(repaired.encode(w), plain.encode(w));
  for (std::size_t row = 0; row < 4; ++row) {
    double expected = 0, found = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      expected += w[row * 4 + i];
      found += y[row * 4 + i];
    }
    EXPECT_NEAR(found, expected, 1e-5) << row;
  }
}

TEST(BitAllocation, Conforms) {
  std::vector<float> w;
  const Tensor normal = gaussian({37, 9, 31}, 2);
  for (std::size_t i = 0; i < normal.size(); ++i) {
    w.push_back(normal[i] * std::pow(1.5F, static_cast<float>(i / 31 % 9)));
  }
  const Tensor x = tensor(w, {37, 9, 31});
  const sites::SiteContext channels{.name = "weight/test", .channel_axis = 1};
  for (const char* more :
       {"", R"(, "symmetric": true, "width_search": true)", R"(, "exact_zero": false)",
        R"(, "symmetric": true, "signed": "auto", "clip_prior": "gauss")",
        R"(, "symmetric": true, "repair": "mean_norm")"}) {
    SCOPED_TRACE(more);
    expect_conforms(allocated(3, more), x, channels);
  }
}

}  // namespace
}  // namespace qloom::test
