// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A method written in C99 is found, loaded and run like any other.
#include <gtest/gtest.h>

#include "host/registry/registry.hpp"
#include "host/tensor/error.hpp"

namespace qloom::registry {
namespace {

class PureC : public testing::Test {
 protected:
  [[nodiscard]] Instance create(const Json& params) const {
    const Method& method = registry_.require("range", "scaled_abs_max", "test");
    return registry_.create(method, registry_.resolve_parameters(method, params, "test"));
  }
  static qloom_status begin(const Instance& instance) {
    qloom_range_context context{};
    context.struct_size = sizeof context;
    qloom_error error = empty_error();
    return instance.ops<qloom_range_estimator>().begin(instance.self(), &context, 0, &error);
  }
  /// One batch of outer x 2 x 1 values.
  static qloom_status observe(const Instance& instance, const std::vector<float>& x) {
    const std::int64_t shape[] = {static_cast<std::int64_t>(x.size() / 2), 2};
    const qloom_tensor t{x.data(), shape, 2, x.size(), x.size() / 2, 2, 1};
    qloom_error error = empty_error();
    return instance.ops<qloom_range_estimator>().observe(instance.self(), &t, &error);
  }
  static std::vector<double> highs(const Instance& instance) {
    qloom_range out[2] = {};
    qloom_error error = empty_error();
    check(instance.method(), "ranges",
          instance.ops<qloom_range_estimator>().ranges(instance.self(), out, 2, &error), error);
    EXPECT_EQ(out[0].lo, -out[0].hi);
    EXPECT_EQ(out[1].lo, -out[1].hi);
    return {out[0].hi, out[1].hi};
  }

  const Registry registry_{{std::filesystem::path(QLOOM_ABI_PLUGINS) / "pure_c"}};
};

TEST_F(PureC, FindsTheLargestMagnitudePerGroupOverAllBatches) {
  const Instance instance = create({{"factor", 0.5}});
  ASSERT_EQ(begin(instance), QLOOM_OK);
  ASSERT_EQ(observe(instance, {1, -8, -3, 4}), QLOOM_OK);
  ASSERT_EQ(observe(instance, {2, 2, 0, 16}), QLOOM_OK);
  EXPECT_EQ(highs(instance), (std::vector<double>{1.5, 8.0}));
  ASSERT_EQ(begin(instance), QLOOM_OK);
  ASSERT_EQ(observe(instance, {1, 1}), QLOOM_OK);
  EXPECT_EQ(highs(instance), (std::vector<double>{0.5, 0.5})) << "a new round forgets the old one";
}

TEST_F(PureC, DefaultsComeFromTheManifest) {
  const Instance instance = create(Json::object());
  ASSERT_EQ(begin(instance), QLOOM_OK);
  ASSERT_EQ(observe(instance, {1, -8}), QLOOM_OK);
  EXPECT_EQ(highs(instance), (std::vector<double>{1.0, 8.0}));
}

TEST_F(PureC, RefusesRangesBeforeAnyData) {
  try {
    highs(create(Json::object()));
    FAIL() << "accepted";
  } catch (const RunError& e) {
    EXPECT_STREQ(e.what(), "range \"scaled_abs_max\": ranges: nothing was observed");
  }
}

TEST_F(PureC, StateIsTheSameAfterSaveLoadSave) {
  const Instance first = create(Json::object());
  ASSERT_EQ(begin(first), QLOOM_OK);
  ASSERT_EQ(observe(first, {0.1F, -7.25F}), QLOOM_OK);
  const data::Arrays state = first.save();
  Instance second = create(Json::object());
  second.load(state, first.state_version());
  EXPECT_EQ(highs(second), highs(first));
  EXPECT_EQ(second.save().at("largest").values, state.at("largest").values);
  second.load({}, 1);
  EXPECT_THROW(highs(second), RunError) << "an empty state is a fresh instance";
}

TEST_F(PureC, RefusesAStateOfANewerVersion) {
  Instance instance = create(Json::object());
  try {
    instance.load({}, 2);
    FAIL() << "accepted";
  } catch (const RunError& e) {
    EXPECT_STREQ(e.what(), "range \"scaled_abs_max\": load: the state is newer than version 1");
  }
}

}  // namespace
}  // namespace qloom::registry
