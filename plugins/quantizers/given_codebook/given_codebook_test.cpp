// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/tensor/error.hpp"
#include "tests/support/method.hpp"

namespace qloom::test {
namespace {

std::string codebook_rule(const std::string& codebook) {
  return R"({"quantizer": {"plugin": "given_codebook", "codebook": )" + codebook + "}}";
}

TEST(GivenCodebook, TheNearestLevelStandsForAValueTheLowerOfTwo) {
  Site site(codebook_rule("[1, -0.5, 0, 0.25, 1]"));
  const Tensor x = tensor({-9, -.3F, -.25F, -.2F, .125F, .13F, .625F, .63F, 9});
  EXPECT_EQ(site.forward(x), (std::vector<float>{-.5F, -.5F, -.5F, 0, 0, .25F, .25F, 1, 1}));
  EXPECT_EQ(site.encode(x), (std::vector<std::int32_t>{0, 0, 0, 1, 1, 2, 2, 3, 3}));
  EXPECT_EQ(site.backward(x, x), values(x));
  const qloom_encoding e = site.node.encoding();
  EXPECT_EQ(e.kind, static_cast<std::uint32_t>(QLOOM_ENCODING_CODEBOOK));
  EXPECT_EQ(e.codebook_size, 4U);
  EXPECT_EQ(e.bits, 2U);
}

TEST(GivenCodebook, OneLevelIsNone) {
  EXPECT_THROW(Site(codebook_rule("[0.1, 0.10000000001]")), InputError);
}

TEST(GivenCodebook, Conforms) {
  expect_conforms(codebook_rule("[-1.5, -0.3, 0, 0.1, 0.2, 2]"), gaussian({37, 9, 31}, 2));
}

}  // namespace
}  // namespace qloom::test
