// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/pipeline/formats.hpp"

#include <cmath>

#include <fmt/format.h>

#include "host/data/json_file.hpp"
#include "host/json/text.hpp"
#include "host/json/validate.hpp"
#include "host/sites/site.hpp"
#include "host/tensor/error.hpp"

namespace qloom::pipeline {
namespace {

constexpr int kFormatsRevision = 1;  // newest revision of the file that is understood

/// Columns of a grid, and the parameters of given_grid that they are.
constexpr const char* kParameters[][2] = {
    {"scale", "scales"},      {"zero_point", "zero_points"},      {"offset", "offsets"},
    {"code_min", "code_min"}, {"code_max", "code_max"},           {"reciprocal", "reciprocals"},
    {"bits", "bits"},         {"bits_of_group", "bits_of_group"}, {"granularity", "granularity"}};

/// 2^-k of a binary point or of a list of them.
Json scales_of(const Json& points) {
  if (!points.is_array()) return std::ldexp(1.0, -points.get<int>());
  Json scales = Json::array();
  for (const Json& point : points) scales.push_back(std::ldexp(1.0, -point.get<int>()));
  return scales;
}

Json first_of(const Json& values, std::size_t i) {
  return values.is_array() ? values.at(i) : values;
}

/// InputError where the binary point says something else than the scale.
void require_same(const Json& scale, const Json& points, const std::string& where) {
  const Json expected = scales_of(points);
  const std::size_t count = expected.is_array() ? expected.size() : 1;
  if (scale.is_array() == expected.is_array() && (!scale.is_array() || scale.size() == count)) {
    std::size_t i = 0;
    while (i < count && first_of(scale, i) == first_of(expected, i)) ++i;
    if (i == count) return;
  }
  throw InputError(
      fmt::format("{}/binary_point: {} is not that of \"scale\", {}; expected one of them", where,
                  points.dump().substr(0, 80), scale.dump().substr(0, 80)));
}

/// The quantizer of an entry whose columns are its grid.
Json given_grid(const Json& entry, const std::string& where) {
  Json quantizer{{"plugin", "given_grid"}};
  for (const auto& [column, parameter] : kParameters) {
    if (entry.contains(column)) quantizer[parameter] = entry[column];
  }
  if (entry.contains("binary_point")) {
    const Json& points = entry["binary_point"];
    if (entry.contains("scale")) require_same(entry["scale"], points, where);
    quantizer["scales"] = scales_of(points);
  }
  if (!quantizer.contains("scales")) {
    throw InputError(where + ": missing key \"scale\" or \"binary_point\", which a grid needs");
  }
  if (entry.contains("is_signed") && !entry.contains("code_min")) {
    quantizer["signed"] = entry["is_signed"];
  }
  const Json ste = entry.value("rule", Json::object()).value("quantizer", Json::object());
  if (ste.value("ste", Json()) == "identity") quantizer["ste"] = "identity";
  return quantizer;
}

/// The rule of an entry; what it says by default is left out, as a method may not take it.
Json rule_of(const Json& entry, const std::string& where) {
  const Json layer{{"name", entry["layer"]}};  // which may be called like a type
  Json rule{{"site", entry["site"]}, {"layers", Json::array({layer})}};
  if (entry.contains("slot")) rule["slot"] = entry["slot"];
  const Json own = entry.value("rule", Json::object());
  if (own.contains("rounding") && own["rounding"] != Json{{"plugin", "nearest_even"}}) {
    rule["rounding"] = own["rounding"];
  }
  for (const char* key : {"clamp", "when", "pad", "requantizer"}) {
    if (own.contains(key)) rule[key] = own[key];
  }
  if (entry["use"] == "grid") {
    rule["quantizer"] = given_grid(entry, where);
    return rule;
  }
  if (!own.contains("quantizer")) {
    throw InputError(where + "/rule: missing key \"quantizer\", which \"use\": \"rule\" needs");
  }
  rule["quantizer"] = own["quantizer"];
  for (const char* key : {"range", "dynamic"}) {
    if (own.contains(key)) rule[key] = own[key];
  }
  return rule;
}

}  // namespace

std::vector<FormatRule> rules_of_formats(const std::filesystem::path& file, bool trains,
                                         Notes& notes) {
  const Json written = data::read_json(file);
  const std::string place = file.string() + ": ";
  json::require_known_format(written, kFormatsRevision, place);
  const Json all = json::validate(registry::read_schema("formats"), written, place);
  const Json rule_schema =
      registry::read_schema("pipeline").at(Json::json_pointer("/properties/rules/items"));
  std::vector<FormatRule> rules;
  for (std::size_t i = 0; i < all["sites"].size(); ++i) {
    const Json& entry = all["sites"][i];
    const std::string pointer = fmt::format("/sites/{}", i);
    const sites::Site* site = sites::find(entry["site"].get<std::string>());
    if (!trains && site != nullptr && site->is_of_training()) continue;
    if (entry["use"] == "none") {
      notes.warnings.push_back(
          {place + pointer,
           fmt::format("{} of \"{}\" is not in these formats: {}", entry["site"].get<std::string>(),
                       entry["layer"].get<std::string>(),
                       entry.value("message", "it has no fixed one"))});
      continue;
    }
    rules.push_back(
        {json::validate(rule_schema, rule_of(entry, place + pointer), place + pointer), pointer});
  }
  return rules;
}

}  // namespace qloom::pipeline
