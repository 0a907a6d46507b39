// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "host/data/array_file.hpp"
#include "host/experiment/experiment.hpp"
#include "host/experiment/page.hpp"
#include "host/experiment/table.hpp"
#include "host/tensor/error.hpp"

namespace qloom::experiment {
namespace {

using registry::Json;

Json row_of(const std::filesystem::path& file, const std::vector<Json>& reports) {
  Json row{{"pipeline", file.string()}, {"name", reports.front()["name"]}};
  add_figures(reports, row);
  for (const Json& report : reports) {
    const Json& seed = report["seed"];
    row["seeds"].push_back(seed);
    row["runs"].push_back(
        {{"seed", seed}, {"folder", fmt::format("{}/seed_{}", file.stem().string(), seed.dump())}});
  }
  return row;
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
               row["name"].get<std::string>(), width, accuracy_text(row),
               row["weight_bits"].get<double>(), row["activation_bits"].get<double>(),
               row["model_bytes"].get<std::int64_t>(), number_text(row["seconds_per_epoch"], 2));
  }
}

std::string csv_of(const Json& rows) {
  std::string csv =
      "pipeline,name,accuracy_mean,accuracy_deviation,weight_bits,activation_bits,model_bytes,"
      "seconds_per_epoch\n";
  for (const Json& row : rows) {
    const auto number = [&row](const char* key) { return csv_number(row[key]); };
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
  write_page(output, {});
  print_table(rows);
  return table;
}

}  // namespace qloom::experiment
