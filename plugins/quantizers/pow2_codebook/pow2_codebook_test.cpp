// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <cmath>

#include "host/tensor/error.hpp"
#include "tests/support/method.hpp"

namespace qloom::test {
namespace {

std::string pow2_rule(int bits, const std::string& more = "") {
  return R"({"quantizer": {"plugin": "pow2_codebook", "bits": )" + std::to_string(bits) + more +
         "}}";
}

TEST(Pow2Codebook, WeightsAreThoseOfTheHandbook) {
  Site site(pow2_rule(3));
  const Tensor w = tensor({.9F, .76F, .74F, .5F, -.38F, .36F, .19F, -.18F, .1F, .06F});
  const auto y = site.forward(w);
  EXPECT_EQ(y, (std::vector<float>{1, 1, .5F, .5F, -.5F, .5F, 0, 0, 0, 0}));
  EXPECT_EQ(site.forward(tensor(y)), y) << "levels keep their value";
}

TEST(Pow2Codebook, LargestLevelNeedsNoClipping) {
  const auto largest = [](float s) {
    Site site(pow2_rule(5));
    return site.forward(tensor({s, -s / 3}))[0];
  };
  EXPECT_EQ(largest(1.5F), 2.0F);
  EXPECT_EQ(largest(1.4999F), 1.0F);
  EXPECT_EQ(largest(.75F), 1.0F);
  EXPECT_EQ(largest(.7499F), .5F);
}

TEST(Pow2Codebook, TiesGoAwayFromZero) {
  Site site(pow2_rule(3));
  EXPECT_EQ(site.forward(tensor({1, .25F, -.25F, .75F, -.75F, .2499F, -.2499F})),
            (std::vector<float>{1, .5F, -.5F, 1, -1, 0, 0}));
}

TEST(Pow2Codebook, TheFirstTensorDecides) {
  Site site(pow2_rule(3));
  (void)site.forward(tensor({1}));
  EXPECT_EQ(site.forward(tensor({.1F, 7})), (std::vector<float>{0, 1}));
}

TEST(Pow2Codebook, EncodesWithAsManyLevelsAsTheWidthHas) {
  for (int bits = 2; bits <= 8; ++bits) {
    Site site(pow2_rule(bits));
    (void)site.forward(tensor({.4F, -.3F}));  // n1 = -1
    const qloom_encoding e = site.node.encoding();
    EXPECT_EQ(e.kind, static_cast<std::uint32_t>(QLOOM_ENCODING_CODEBOOK));
    EXPECT_EQ(e.bits, static_cast<unsigned>(bits));
    ASSERT_EQ(e.codebook_size, (1U << (bits - 1)) + 1);
    EXPECT_EQ(e.codebook[e.codebook_size - 1], .5F);
    EXPECT_EQ(e.codebook[e.codebook_size / 2], 0.0F);
    EXPECT_EQ(e.codebook[e.codebook_size / 2 + 1], std::ldexp(1.0F, -(1 << (bits - 2))));
    for (std::uint64_t k = 0; k < e.codebook_size; ++k) {
      EXPECT_EQ(e.codebook[k], -e.codebook[e.codebook_size - 1 - k]);
    }
  }
}

TEST(Pow2Codebook, TinyAndHugeWeightsHaveLevels) {
  Site tiny(pow2_rule(5));
  EXPECT_EQ(tiny.forward(tensor({1e-44F, 0})), (std::vector<float>{0, 0}));
  Site huge(pow2_rule(2));
  EXPECT_EQ(huge.forward(tensor({3.4e38F}))[0], 0x1p127F);
}

TEST(Pow2Codebook, CheckpointKeepsTheLevels) {
  Site site(pow2_rule(4)), restored(pow2_rule(4));
  (void)site.forward(tensor({.4F, -.3F}));
  const qloom::data::Arrays saved = site.node.save();
  qloom::data::ArrayReader reader(saved, "state");
  restored.node.load(reader, "");
  const Tensor x = gaussian({100}, 3);
  EXPECT_EQ(restored.forward(x), site.forward(x));
}

TEST(Pow2Codebook, Conforms) {
  const Tensor x = gaussian({37, 9, 31}, 2);
  expect_conforms(pow2_rule(5), x);
  expect_conforms(pow2_rule(3, R"(, "granularity": "channel")"), x);
}

}  // namespace
}  // namespace qloom::test
