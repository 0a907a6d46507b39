// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/data/json_file.hpp"

#include "host/data/arrays/array_file.hpp"
#include "host/json/text.hpp"
#include "tests/data/files.hpp"

namespace qloom::data {
namespace {

class JsonFile : public Files {
 protected:
  [[nodiscard]] std::string refusal(const std::string& name) const {
    try {
      return "accepted: " + read_json(folder_ / name).dump();
    } catch (const InputError& error) {
      return error.what();
    }
  }
};

TEST_F(JsonFile, IsReadStrictly) {
  write_text(folder_ / "a.json", R"({"a": [1]})");
  EXPECT_EQ(refusal("a.json"), R"(accepted: {"a":[1]})");
  write_text(folder_ / "a.json", R"({"a": 1, "a": 2})");
  EXPECT_EQ(refusal("a.json"), (folder_ / "a.json").string() + ": the key \"a\" stands twice");
  EXPECT_NE(refusal("b.json").find("b.json: cannot be read"), std::string::npos);
}

TEST_F(JsonFile, OneThatIsTooLargeIsRefusedBeforeItIsRead) {
  write_text(folder_ / "a.json", "{}");
  std::filesystem::resize_file(folder_ / "a.json", json::kMostBytes + 1);  // takes no disk
  EXPECT_EQ(refusal("a.json"), (folder_ / "a.json").string() +
                                   ": holds more than 268435456 bytes, expected at most that many");
}

}  // namespace
}  // namespace qloom::data
