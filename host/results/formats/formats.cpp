// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/results/formats/formats.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <string_view>
#include <vector>

#include <fmt/format.h>

namespace qloom::results {
namespace {

using json::Json;
using sites::SiteQuantizer;

constexpr double kWidestCode = 0x1p24;  // that float32 holds with all its neighbours
constexpr std::uint32_t kMostBits = 24;

bool has_given_form(const qloom_encoding& e, const Json& granularity) {
  if (granularity.is_object() && !granularity.contains("group")) return false;
  for (std::uint64_t g = 0; g < e.groups; ++g) {
    const double low = e.grid.code_min[g], high = e.grid.code_max[g];
    if (low < -kWidestCode || high > kWidestCode || !std::isnormal(e.grid.scale[g])) return false;
  }
  return e.bits <= kMostBits;
}

/// k of each scale 2^-k; nothing where one is no power of two.
std::vector<int> binary_points(const qloom_encoding& e) {
  std::vector<int> points;
  for (std::uint64_t g = 0; g < e.groups; ++g) {
    int exponent = 0;
    if (std::frexp(e.grid.scale[g], &exponent) != 0.5F) return {};
    points.push_back(1 - exponent);
  }
  return points;
}

/// What the encoding leaves to who reads it: binary point, ends, and a reciprocal of its own.
void add_columns(const qloom_encoding& e, Json& entry) {
  if (const auto points = binary_points(e); !points.empty()) entry["binary_point"] = points;
  std::vector<float> lo, hi;
  bool is_usual = true;
  for (std::uint64_t g = 0; g < e.groups; ++g) {
    const float offset = e.grid.offset == nullptr ? 0.0F : e.grid.offset[g];
    const auto value = [&](std::int64_t code) {
      return offset + static_cast<float>(code - e.grid.zero_point[g]) * e.grid.scale[g];
    };
    lo.push_back(value(e.grid.code_min[g]));
    hi.push_back(value(e.grid.code_max[g]));
    is_usual = is_usual && e.grid.inv_scale[g] == 1.0F / e.grid.scale[g];
  }
  entry["lo"] = lo;
  entry["hi"] = hi;
  if (is_usual) return;
  entry["reciprocal"] = std::vector<float>(e.grid.inv_scale, e.grid.inv_scale + e.groups);
}

/// Has each tensor, or each sample of it, a range of its own?
bool is_of_each_tensor(const SiteQuantizer& site) {
  return site.is_per_sample() || site.spec().is_dynamic;
}

/// How the format of a site that is no given grid is used, and why.
void add_use(const SiteQuantizer& site, const qloom_encoding& e, Json& entry) {
  const bool keeps_range = site.spec().range.method != nullptr && !is_of_each_tensor(site);
  if (is_of_each_tensor(site)) {
    entry["use"] = site.holds_values() ? "none" : "rule";
    entry["message"] = fmt::format("each {} has a grid of its own: no fixed format",
                                   site.is_per_sample() ? "sample" : "tensor");
  } else if (!site.holds_values() && !keeps_range) {
    entry["use"] = "rule";
    entry["message"] = "no uniform grid: the method itself is the format";
  } else {
    entry["use"] = "none";
    entry["message"] = e.kind == QLOOM_ENCODING_NONE
                           ? "the method gives no format, or has seen no tensor that is not 0"
                           : "more than a uniform grid, with values that the run has found";
  }
}

Json entry_of(const sites::SiteKey& key, SiteQuantizer& site) {
  const qloom_encoding e = site.encoding();
  const Json granularity = methods::encoding_groups_of(site.spec().quantizer);
  const bool is_grid =
      !is_of_each_tensor(site) && site.is_its_grid() && has_given_form(e, granularity);
  Json entry = Json::object();
  if (is_of_each_tensor(site)) {  // what the last batch had is nothing to go by
    entry = {{"kind", "none"}, {"bits", site.bits()}, {"granularity", granularity}};
    if (site.is_per_sample()) entry["granularity"] = "sample";
    if (e.pad != 0) entry["pad"] = e.pad;
  } else {
    entry = site.encoding_json();
  }
  entry["site"] = key.site->name;
  entry["layer"] = key.layer;
  if (!key.slot.empty()) entry["slot"] = key.slot;
  entry["rule"] = sites::to_json(site.spec());
  if (!is_grid) {
    add_use(site, e, entry);
    return entry;
  }
  entry["use"] = "grid";
  add_columns(e, entry);
  return entry;
}

std::string quoted(const std::string& text) {
  if (text.find_first_of("\",\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

/// One cell: a text as it is, anything else as JSON; nothing for what is absent.
std::string cell(const Json& entry, const char* column, std::size_t group) {
  if (!entry.contains(column)) return "";
  const Json& value = entry[column].is_array() ? entry[column].at(group) : entry[column];
  return quoted(value.is_string() ? value.get<std::string>() : value.dump());
}

constexpr const char* kColumns[] = {"site", "layer",     "slot",        "use",   "kind",
                                    "bits", "is_signed", "granularity", "groups"};
constexpr const char* kGroupColumns[] = {"scale",      "binary_point", "zero_point",
                                         "code_min",   "code_max",     "offset",
                                         "reciprocal", "lo",           "hi"};

std::string line_of(const Json& entry, std::size_t group) {
  const bool is_grid = entry["use"] == "grid";
  const bool has_widths = is_grid && entry.contains("bits_of_group");
  std::string line;
  for (const char* column : kColumns) {
    const bool is_width = has_widths && column == std::string_view("bits");
    line += cell(entry, is_width ? "bits_of_group" : column, is_width ? group : 0) + ",";
  }
  for (const char* kind : {"quantizer", "range", "rounding"}) {
    if (entry["rule"].contains(kind)) line += cell(entry["rule"][kind], "plugin", 0);
    line += ",";
  }
  if (is_grid) line += std::to_string(group);
  for (const char* column : kGroupColumns) {
    line += ",";
    if (is_grid) line += cell(entry, column, group);
  }
  const Json& rule = entry["rule"];
  line += "," + cell(entry, "message", 0) + ",";
  if (rule.contains("requantizer")) line += cell(rule["requantizer"], "plugin", 0);
  return line + "," + cell(rule, "pad", 0) + "\r\n";
}

}  // namespace

Json formats_of(const network::Network& network, FormatsOf which) {
  Json entries = Json::object();
  for (const auto& [key, site] : network.sites.all()) {
    if (key.site->is_of_training() != (which == FormatsOf::kTraining)) continue;
    entries[key.text()] = entry_of(key, *site);
  }
  return entries;
}

Json formats_file(const Json& report) {
  Json sites = Json::array();
  for (const auto& [key, entry] : report["sections"]["formats"]["sites"].items()) {
    sites.push_back(entry);
  }
  return {{"format", 1}, {"name", report["name"]}, {"sites", std::move(sites)}};
}

std::string formats_csv(const Json& file) {
  std::string text;
  for (const char* column : kColumns) text += std::string(column) + ",";
  text += "quantizer,range,rounding,group";
  for (const char* column : kGroupColumns) text += std::string(",") + column;
  text += ",message,requantizer,pad\r\n";
  for (const Json& entry : file["sites"]) {
    const std::size_t groups = entry["use"] == "grid" ? entry["scale"].size() : 1;
    for (std::size_t g = 0; g < groups; ++g) text += line_of(entry, g);
  }
  return text;
}

}  // namespace qloom::results
