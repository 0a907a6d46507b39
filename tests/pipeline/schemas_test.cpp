// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What holds for every schema of the tree.
#include <fstream>

#include "host/json/validate.hpp"
#include "tests/pipeline/workspace.hpp"

namespace qloom::test {
namespace {

namespace fs = std::filesystem;

Json read(const fs::path& file) {
  std::ifstream in(file);
  return Json::parse(in);
}

/// Every property has a description, and a schema of an object says whether keys may be added.
void expect_described(const Json& schema, const std::string& where) {
  if (!schema.is_object()) return;
  const Json properties = schema.value("properties", Json::object());
  for (const auto& [key, property] : properties.items()) {
    EXPECT_TRUE(property.contains("description")) << where << "/" << key;
    expect_described(property, where + "/" + key);
  }
  // Objects with "plugin" hold a method's parameters, which its manifest checks.
  if (!properties.empty() && !properties.contains("plugin")) {
    EXPECT_EQ(schema.value("additionalProperties", Json()), Json(false)) << where;
  }
  if (schema.contains("items")) expect_described(schema["items"], where + "/items");
}

TEST(Schemas, DescribeEveryPropertyAndRefuseUnknownKeys) {
  for (const char* name :
       {"pipeline", "model", "report", "sweep", "checkpoint", "formats", "program", "step"}) {
    const Json schema =
        read(fs::path(QLOOM_SOURCE_DIR) / "schemas" / (std::string(name) + ".schema.json"));
    EXPECT_EQ(schema["$schema"], "http://json-schema.org/draft-07/schema#") << name;
    EXPECT_EQ(schema["additionalProperties"], false) << name;
    expect_described(schema, name);
  }
}

TEST(Schemas, AcceptEveryModelOfTheExamples) {
  const Json schema = read(fs::path(QLOOM_SOURCE_DIR) / "schemas/model.schema.json");
  int count = 0;
  for (const auto& entry : fs::directory_iterator(fs::path(QLOOM_SOURCE_DIR) / "examples/models")) {
    const Json model = read(entry.path());
    EXPECT_NO_THROW(static_cast<void>(json::validate(schema, model, entry.path().string())));
    EXPECT_EQ(model["name"], entry.path().stem().string());
    ++count;
  }
  EXPECT_GE(count, 5);
}

TEST(Schemas, AcceptEveryPipelineOfTheExamples) {
  const Json schema = read(fs::path(QLOOM_SOURCE_DIR) / "schemas/pipeline.schema.json");
  for (const auto& entry :
       fs::recursive_directory_iterator(fs::path(QLOOM_SOURCE_DIR) / "examples")) {
    if (entry.path().extension() != ".json") continue;
    const Json text = read(entry.path());
    if (!text.is_object() || !text.contains("stages")) continue;
    EXPECT_NO_THROW(static_cast<void>(json::validate(schema, text, entry.path().string())))
        << entry.path();
  }
}

}  // namespace
}  // namespace qloom::test
