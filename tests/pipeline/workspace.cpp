// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "tests/pipeline/workspace.hpp"

#include <fstream>

#include <unistd.h>

namespace qloom::test {
namespace {

/// Parameters as the real methods of these names have them, but fewer.
constexpr const char* kManifests[][2] = {
    {"quantizer.affine",
     R"({"id": "affine", "kind": "quantizer", "version": "1.0.0", "summary": "s",
         "parameters": {"type": "object", "additionalProperties": false, "properties": {
           "bits": {"type": "integer", "minimum": 1, "maximum": 16, "default": 8},
           "granularity": {"default": "tensor", "oneOf": [
             {"enum": ["tensor", "channel"]},
             {"type": "object", "required": ["group"], "additionalProperties": false,
              "properties": {"group": {"type": "integer", "minimum": 1}}}]}}}})"},
    {"quantizer.pact",
     R"({"id": "pact", "kind": "quantizer", "version": "1.0.0", "summary": "s",
         "parameters": {"type": "object", "additionalProperties": false, "required": ["bits"],
           "properties": {"bits": {"type": "integer", "minimum": 2, "maximum": 8}}}})"},
    {"range.min_max",
     R"({"id": "min_max", "kind": "range", "version": "1.0.0", "summary": "s",
         "parameters": {"type": "object", "additionalProperties": false, "properties": {}}})"},
    {"rounding.standard",
     R"({"methods": [
         {"id": "nearest_even", "kind": "rounding", "version": "1.0.0", "summary": "s",
          "parameters": {"type": "object", "additionalProperties": false, "properties": {}}},
         {"id": "stochastic", "kind": "rounding", "version": "1.0.0", "summary": "s",
          "parameters": {"type": "object", "additionalProperties": false, "properties": {
            "random_bits": {"type": "integer", "minimum": 1, "maximum": 32, "default": 32}}}}]})"},
    {"norm.batch_norm",
     R"({"id": "batch_norm", "kind": "norm", "version": "1.0.0", "summary": "s",
         "parameters": {"type": "object", "additionalProperties": false, "properties": {
           "momentum": {"type": "number", "default": 0.1}}}})"},
    {"norm.range_bn", R"({"id": "range_bn", "kind": "norm", "version": "1.0.0", "summary": "s"})"},
    {"accumulator.integer",
     R"({"id": "integer", "kind": "accumulator", "version": "1.0.0", "summary": "s",
         "parameters": {"type": "object", "additionalProperties": false, "properties": {
           "bits": {"type": "integer", "minimum": 8, "maximum": 32, "default": 32}}}})"},
    {"procedure.swalp",
     R"({"id": "swalp", "kind": "procedure", "version": "1.0.0", "summary": "s",
         "parameters": {"type": "object", "additionalProperties": false, "properties": {
           "start_epoch": {"type": "integer", "minimum": 0, "default": 1}}}})"}};

}  // namespace

void Workspace::SetUp() {
  const auto* info = testing::UnitTest::GetInstance()->current_test_info();
  folder_ = std::filesystem::temp_directory_path() /
            (std::string("qloom_pipeline_") + info->test_suite_name() + "." + info->name() + "." +
             std::to_string(getpid()));
  std::filesystem::remove_all(folder_);
  for (const auto& [name, text] : kManifests) {
    std::filesystem::create_directories(folder_ / "plugins" / name);
    write(std::string("plugins/") + name + "/plugin.json", text);
  }
  write("model.json", R"({"layers": [{"name": "d", "type": "dense", "units": "classes"}]})");
}

std::filesystem::path Workspace::write(const std::string& name, const std::string& text) const {
  std::ofstream(folder_ / name) << text;
  return folder_ / name;
}

registry::Registry Workspace::registry() const { return registry::Registry({folder_ / "plugins"}); }

Json Workspace::smallest() {
  return {{"data", {{"dataset", "fashion-mnist"}}},
          {"model", {{"file", "model.json"}}},
          {"stages", Json::array({Json{{"evaluate", Json::object()}}})}};
}

pipeline::Pipeline Workspace::load(const Json& patch,
                                   const std::vector<std::string>& overrides) const {
  Json text = smallest();
  text.merge_patch(patch);
  return pipeline::load(write("p.json", text.dump()), overrides, registry());
}

pipeline::Rule Workspace::rule(const std::string& text) const {
  return load({{"rules", Json::array({Json::parse(text)})}}).rules.at(0);
}

pipeline::Rule Workspace::lone_rule(const std::string& text) const {
  return pipeline::load_rule(text, registry());
}

}  // namespace qloom::test
