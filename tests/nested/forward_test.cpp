// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A quantizer inside another one that does nothing itself: the same bits as the bare one.
#include <gtest/gtest.h>

#include "host/sites/site_quantizer.hpp"
#include "host/tensor/error.hpp"
#include "tests/nested/nested.hpp"
#include "tests/support/method.hpp"

namespace qloom::test {
namespace {

const std::vector<Json>& insides() {
  static const std::vector<Json> all{
      {{"plugin", "affine"}, {"bits", 3}, {"granularity", "channel"}},
      {{"plugin", "affine"}, {"bits", 4}, {"signed", "auto"}, {"symmetric", true}},
      {{"plugin", "twn"}, {"granularity", {{"group", 50}}}},
      {{"plugin", "lsq"}, {"bits", 3}, {"granularity", "channel"}},
      {{"plugin", "ttq"}},
      {{"plugin", "kmeans_codebook"}, {"centroids", 4}},
      {{"plugin", "dorefa"}, {"part", "weight"}, {"bits", 2}},
      {{"plugin", "mx"}, {"format", "mxfp4_e2m1"}},
      {{"plugin", "minifloat"}, {"exponent_bits", 4}, {"mantissa_bits", 3}},
      {{"plugin", "binary_connect"}, {"stochastic", true}}};
  return all;
}

sites::SiteQuantizer node(const Json& quantizer) {
  return {nested_registry(),
          sites::resolve_quantizer(nested_registry(), {{"quantizer", quantizer}}, "rule"),
          {.name = "weight/test", .seed = 3, .channel_axis = 0}};
}

/// What one step gives: values, gradients, what is learned, moved a little by its gradient.
std::vector<std::vector<float>> step(sites::SiteQuantizer& node, std::uint64_t number) {
  const Tensor x = gaussian({8, 6, 50}, 40 + number), dy = gaussian({8, 6, 50}, 50 + number);
  Tensor y, dx;
  node.forward(x, y, {.step = number, .training = true, .learning_rate = .1});
  node.backward(x, dy, dx);
  std::vector<std::vector<float>> all{values(y), values(dx)};
  for (auto& learned : node.learned()) {
    all.push_back(learned.gradient);
    for (std::size_t i = 0; i < learned.gradient.size(); ++i) {
      learned.value[i] *= learned.gradient[i] > 0 ? 0.99F : 1.01F;
    }
    all.emplace_back(learned.value, learned.value + learned.gradient.size());
  }
  node.after_update();
  return all;
}

void expect_same_capabilities(const Json& inside) {
  const auto table = [](const Json& object) {
    const registry::Instance made = methods::create(
        nested_registry(), methods::resolve(nested_registry(), "quantizer", object, "rule"));
    return made.ops<qloom_quantizer>().caps;
  };
  EXPECT_EQ(table(forwarded(inside)), table(inside)) << inside;
}

TEST(Forward, HasTheBitsOfTheQuantizerInside) {
  for (const Json& inside : insides()) {
    SCOPED_TRACE(inside.dump());
    expect_same_capabilities(inside);
    sites::SiteQuantizer bare = node(inside), around = node(forwarded(inside, 2));
    EXPECT_EQ(around.has_codes(), bare.has_codes());
    EXPECT_EQ(around.learns(), bare.learns());
    EXPECT_EQ(around.backward_needs_tensor(), bare.backward_needs_tensor());
    for (std::uint64_t i = 0; i < 3; ++i) EXPECT_EQ(step(around, i), step(bare, i)) << i;
    EXPECT_EQ(around.encoding_json(), bare.encoding_json());
  }
}

TEST(Forward, GoesOnFromItsSavedState) {
  for (const Json& inside : insides()) {
    SCOPED_TRACE(inside.dump());
    sites::SiteQuantizer whole = node(forwarded(inside)), fresh = node(forwarded(inside));
    (void)step(whole, 0);
    (void)step(whole, 1);
    const data::Arrays state = whole.save();
    data::ArrayReader reader(state, "state");
    fresh.load(reader, "");
    const data::Arrays again = fresh.save();
    ASSERT_EQ(again.size(), state.size());
    for (const auto& [key, array] : state) EXPECT_EQ(again.at(key).values, array.values) << key;
    EXPECT_EQ(step(fresh, 2), step(whole, 2));
  }
}

TEST(Forward, ARefusedStateChangesNothing) {
  const Json inside{{"plugin", "lsq"}, {"bits", 3}};
  const Json blend{{"plugin", "alpha_blend"}, {"quantizer", inside}, {"finish_step", 9}};
  registry::Instance used = methods::create(
      nested_registry(), methods::resolve(nested_registry(), "quantizer", blend, "rule"));
  const data::Arrays before = used.save();
  data::Arrays other = before;
  ASSERT_TRUE(other.contains("alpha"));
  other["alpha"] = {{1}, std::vector<double>{0.5}};
  other["quantizer/@version"] = {{1}, std::vector<std::int32_t>{99}};
  EXPECT_THROW(used.load(other, used.state_version()), RunError);
  const data::Arrays after = used.save();
  for (const auto& [key, array] : before) EXPECT_EQ(after.at(key).values, array.values) << key;
}

}  // namespace
}  // namespace qloom::test
