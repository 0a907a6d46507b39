// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/results/table.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace qloom::results {

using json::Json;

std::pair<double, double> mean_and_deviation(const std::vector<double>& values) {
  double sum = 0, squares = 0;
  for (const double v : values) sum += v;
  const double mean = sum / double(values.size());
  for (const double v : values) squares += (v - mean) * (v - mean);
  return {mean, values.size() < 2 ? 0.0 : std::sqrt(squares / double(values.size() - 1))};
}

void add_figures(const std::vector<Json>& reports, Json& row) {
  std::vector<double> accuracies, seconds;
  for (const Json& report : reports) {
    if (report.contains("final")) accuracies.push_back(report["final"]["accuracy"]);
    const Json& per_epoch = report["timing"]["seconds_per_epoch"];
    if (per_epoch.is_number()) seconds.push_back(per_epoch);
  }
  row["accuracies"] = accuracies;
  row["accuracy_mean"] = row["accuracy_deviation"] = row["seconds_per_epoch"] = nullptr;
  if (!accuracies.empty()) {
    const auto [mean, deviation] = mean_and_deviation(accuracies);
    row["accuracy_mean"] = mean;
    row["accuracy_deviation"] = deviation;
  }
  if (!seconds.empty()) row["seconds_per_epoch"] = mean_and_deviation(seconds).first;
  for (const char* key : {"weight_bits", "activation_bits", "model_bytes"}) {
    row[key] = reports.empty() ? Json(nullptr) : reports.front()["totals"][key];
  }
}

std::string accuracy_text(const Json& row) {
  if (row["accuracy_mean"].is_null()) return "-";
  const double mean = 100.0 * row["accuracy_mean"].get<double>();
  if (row["accuracies"].size() == 1) return fmt::format("{:.2f}", mean);
  return fmt::format("{:.2f} ± {:.2f}", mean, 100.0 * row["accuracy_deviation"].get<double>());
}

std::string number_text(const Json& value, int decimals) {
  return value.is_null() ? "-" : fmt::format("{:.{}f}", value.get<double>(), decimals);
}

std::string failure_text(const Json& row) {
  constexpr std::size_t kMost = 100;
  if (row["error"].is_null()) return "";
  std::string text = row["error"].get<std::string>();
  std::replace(text.begin(), text.end(), '\n', ' ');
  return " failed: " + (text.size() <= kMost ? text : text.substr(0, kMost) + "...");
}

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

std::string csv_number(const Json& value) { return value.is_null() ? "" : value.dump(); }

}  // namespace qloom::results
