// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The recipes of the tree with the methods of the tree.
#include "host/pipeline/recipe.hpp"

#include "tests/pipeline/workspace.hpp"

namespace qloom::test {
namespace {

class TreeRecipes : public Workspace {};

/// The values that a parameter's schema lists, or its default.
std::vector<Json> some_values(const Json& parameter) {
  if (parameter.contains("enum")) return parameter["enum"];
  return {parameter.value("default", Json())};
}

TEST_F(TreeRecipes, EveryOneIsAPipelineWithTheValuesOfItsParameters) {
  const registry::Registry methods({std::filesystem::path(QLOOM_BINARY_DIR) / "plugins"});
  int recipes = 0;
  for (const registry::Method& m : methods.methods()) {
    if (m.kind != "recipe") continue;
    ++recipes;
    EXPECT_TRUE(m.library_file.empty()) << m.id;
    Json text = smallest();
    text["stages"] = Json::array({Json{{"train", Json::object()}}});
    text["recipe"] = {{"plugin", m.id}};
    const Json properties = m.manifest["parameters"]["properties"];
    for (const auto& [name, parameter] : properties.items()) {
      for (const Json& value : some_values(parameter)) {
        text["recipe"][name] = value;
        SCOPED_TRACE(text["recipe"].dump());
        const auto p = pipeline::load(write("p.json", text.dump()), {}, methods);
        EXPECT_GT(p.rules.size() + p.procedures.size(), 0U);
        EXPECT_TRUE(p.notes.warnings.empty()) << p.notes.warnings[0].what;
      }
    }
  }
  EXPECT_GE(recipes, 11);
}

}  // namespace
}  // namespace qloom::test
