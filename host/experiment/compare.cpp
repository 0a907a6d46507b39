// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>
#include <cmath>
#include <map>

#include <fmt/format.h>

#include "host/data/array_file.hpp"
#include "host/experiment/experiment.hpp"
#include "host/tensor/error.hpp"

namespace qloom::experiment {
namespace {

using registry::Json;

/// Mean and sample standard deviation (n - 1); 0 for one value.
std::pair<double, double> mean_and_deviation(const std::vector<double>& values) {
  double sum = 0, squares = 0;
  for (const double v : values) sum += v;
  const double mean = sum / double(values.size());
  for (const double v : values) squares += (v - mean) * (v - mean);
  return {mean, values.size() < 2 ? 0.0 : std::sqrt(squares / double(values.size() - 1))};
}

Json row_of(const std::filesystem::path& file, const std::vector<Json>& reports) {
  std::vector<double> accuracies, seconds;
  for (const Json& report : reports) {
    if (report.contains("final")) accuracies.push_back(report["final"]["accuracy"]);
    const Json& per_epoch = report["timing"]["seconds_per_epoch"];
    if (per_epoch.is_number()) seconds.push_back(per_epoch);
  }
  const Json& first = reports.front();
  Json row{{"pipeline", file.string()}, {"name", first["name"]},
           {"weight_bits", first["totals"]["weight_bits"]},
           {"activation_bits", first["totals"]["activation_bits"]},
           {"model_bytes", first["totals"]["model_bytes"]}};
  row["accuracies"] = accuracies;
  row["accuracy_mean"] = row["accuracy_deviation"] = row["seconds_per_epoch"] = nullptr;
  if (!accuracies.empty()) {
    const auto [mean, deviation] = mean_and_deviation(accuracies);
    row["accuracy_mean"] = mean;
    row["accuracy_deviation"] = deviation;
  }
  if (!seconds.empty()) row["seconds_per_epoch"] = mean_and_deviation(seconds).first;
  for (const Json& report : reports) row["seeds"].push_back(report["seed"]);
  return row;
}

std::string percent(const Json& row) {
  if (row["accuracy_mean"].is_null()) return "-";
  if (row["accuracies"].size() == 1) {
    return fmt::format("{:.2f}", 100.0 * row["accuracy_mean"].get<double>());
  }
  return fmt::format("{:.2f} ± {:.2f}", 100.0 * row["accuracy_mean"].get<double>(),
                     100.0 * row["accuracy_deviation"].get<double>());
}
std::string seconds(const Json& row) {
  return row["seconds_per_epoch"].is_null()
             ? "-"
             : fmt::format("{:.2f}", row["seconds_per_epoch"].get<double>());
}

void print_table(const Json& rows) {
  std::size_t width = 8;
  for (const Json& row : rows) width = std::max(width, row["name"].get<std::string>().size());
  fmt::print("\n| {:<{}} | accuracy %     | weight bits | activation bits | model bytes | s/epoch |\n",
             "pipeline", width);
  fmt::print("|{:-<{}}|---------------:|------------:|----------------:|------------:|--------:|\n",
             "", width + 2);
  for (const Json& row : rows) {
    fmt::print("| {:<{}} | {:>14} | {:>11.2f} | {:>15.2f} | {:>11} | {:>7} |\n",
               row["name"].get<std::string>(), width, percent(row),
               row["weight_bits"].get<double>(), row["activation_bits"].get<double>(),
               row["model_bytes"].get<std::int64_t>(), seconds(row));
  }
}

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

std::string csv_of(const Json& rows) {
  std::string csv =
      "pipeline,name,accuracy_mean,accuracy_deviation,weight_bits,activation_bits,model_bytes,"
      "seconds_per_epoch\n";
  for (const Json& row : rows) {
    const auto number = [&row](const char* key) {
      return row[key].is_null() ? std::string() : row[key].dump();
    };
    csv += fmt::format("{},{},{},{},{},{},{},{}\n", csv_field(row["pipeline"]),
                       csv_field(row["name"]), number("accuracy_mean"),
                       number("accuracy_deviation"), number("weight_bits"),
                       number("activation_bits"), number("model_bytes"),
                       number("seconds_per_epoch"));
  }
  return csv;
}

}  // namespace

Json compare(const CompareOptions& options, const registry::Registry& registry) {
  const std::filesystem::path output =
      options.output.empty() ? std::filesystem::path("runs/compare") : options.output;
  std::map<std::string, std::filesystem::path> stems;
  for (const auto& file : options.pipelines) {
    check(pipeline::load(file, {}, registry), registry);
    const auto [other, is_new] = stems.insert({file.stem().string(), file});
    if (!is_new) {
      throw InputError(fmt::format("{} and {}: two pipelines of one name cannot share a folder",
                                   other->second.string(), file.string()));
    }
  }
  data::require_writable_folder(output);
  Json rows = Json::array();
  for (const auto& file : options.pipelines) {
    std::vector<std::uint64_t> seeds = options.seeds;
    if (seeds.empty()) seeds.push_back(pipeline::load(file, {}, registry).seed);
    std::vector<Json> reports;
    for (const std::uint64_t seed : seeds) {
      RunOptions run_options;
      run_options.pipeline = file;
      run_options.output = output / file.stem() / fmt::format("seed_{}", seed);
      run_options.seed = seed;
      run_options.threads = options.threads;
      run_options.shared = output;
      reports.push_back(run(run_options, registry));
    }
    rows.push_back(row_of(file, reports));
  }
  const Json table{{"format", 1}, {"rows", rows}};
  data::write_text(output / "compare.json", table.dump(2) + "\n");
  data::write_text(output / "compare.csv", csv_of(rows));
  print_table(rows);
  return table;
}

}  // namespace qloom::experiment
