// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What holds for a method of any kind: its manifest, its construction, its state.
#include <gtest/gtest.h>

#include <set>

#include "host/tensor/error.hpp"
#include "tests/conformance/cases.hpp"

namespace qloom::conformance {
namespace {

TEST(Registry, FindsMethodsOfEveryKind) {
  std::set<std::string> kinds;
  for (const auto& method : test::registry().methods()) kinds.insert(method.kind);
  EXPECT_EQ(kinds, (std::set<std::string>{"accumulator", "norm", "procedure", "quantizer", "range",
                                          "rounding"}));
}

class EveryMethod : public testing::TestWithParam<Case> {};

TEST_P(EveryMethod, IsCreatedFromItsManifestsParameters) {
  const registry::Instance instance = create(GetParam());
  ASSERT_TRUE(static_cast<bool>(instance));
  EXPECT_EQ(&instance.method(), GetParam().method);
}

TEST_P(EveryMethod, DefaultsFollowTheSchema) {
  const registry::Method& method = *GetParam().method;
  const Json once = test::registry().resolve_parameters(method, GetParam().params, "once");
  EXPECT_EQ(test::registry().resolve_parameters(method, once, "twice"), once);
}

TEST_P(EveryMethod, UnknownParameterIsRefused) {
  Json params = GetParam().params;
  params["no_such_parameter"] = 1;
  EXPECT_THROW(static_cast<void>(test::registry().resolve_parameters(*GetParam().method, params,
                                                                     "test")),
               InputError);
}

TEST_P(EveryMethod, ParametersAreDescribed) {
  const Json schema = GetParam().method->manifest.value("parameters", Json::object());
  const Json properties = schema.value("properties", Json::object());
  for (const auto& [key, property] : properties.items()) {
    EXPECT_TRUE(property.contains("description")) << key;
  }
}

TEST_P(EveryMethod, EmptyStateIsAFreshInstance) {
  const registry::Instance fresh = create(GetParam());
  registry::Instance loaded = create(GetParam());
  loaded.load({}, loaded.state_version());
  const data::Arrays expected = fresh.save(), found = loaded.save();
  ASSERT_EQ(found.size(), expected.size());
  for (const auto& [key, array] : expected) EXPECT_EQ(found.at(key).values, array.values) << key;
}

TEST_P(EveryMethod, SaveLoadSaveGivesTheSameArrays) {
  const registry::Instance first = create(GetParam());
  const data::Arrays state = first.save();
  registry::Instance second = create(GetParam());
  second.load(state, first.state_version());
  const data::Arrays again = second.save();
  ASSERT_EQ(again.size(), state.size());
  for (const auto& [key, array] : state) EXPECT_EQ(again.at(key).values, array.values) << key;
}

TEST_P(EveryMethod, StateOfANewerVersionIsRefusedAndChangesNothing) {
  registry::Instance instance = create(GetParam());
  const data::Arrays before = instance.save();
  if (before.empty()) GTEST_SKIP() << "keeps no state when new";
  EXPECT_THROW(instance.load(before, instance.state_version() + 1), RunError);
  for (const auto& [key, array] : instance.save()) EXPECT_EQ(before.at(key).values, array.values);
}

INSTANTIATE_TEST_SUITE_P(Tree, EveryMethod, testing::ValuesIn(all_cases()),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace qloom::conformance
