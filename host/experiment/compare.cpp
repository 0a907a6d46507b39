// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "host/data/array_file.hpp"
#include "host/data/streams.hpp"
#include "host/experiment/experiment.hpp"
#include "host/experiment/page.hpp"
#include "host/experiment/table.hpp"
#include "host/experiment/warnings.hpp"
#include "host/tensor/error.hpp"

namespace qloom::experiment {
namespace {

using registry::Json;

/// One row of the table: a pipeline as it is, or with one more change.
struct Entry {
  std::filesystem::path file;
  std::vector<std::string> overrides;
  std::string variant;  ///< the change; empty: none
  std::string folder;   ///< in the output folder
};

Json row_of(const Entry& entry, const std::vector<Json>& reports) {
  const std::string name = reports.front()["name"];
  Json row{{"pipeline", entry.file.string()},
           {"name", entry.variant.empty() ? name : name + ", " + entry.variant}};
  add_figures(reports, row);
  for (const Json& report : reports) {
    const Json& seed = report["seed"];
    row["seeds"].push_back(seed);
    row["runs"].push_back(
        {{"seed", seed}, {"folder", fmt::format("{}/seed_{}", entry.folder, seed.dump())}});
  }
  return row;
}

/// Every pipeline with every variant; checked, so that nothing wrong is found after an hour.
std::vector<Entry> entries_of(const CompareOptions& options, const registry::Registry& registry,
                              Warnings& warnings) {
  std::vector<Entry> entries;
  std::map<std::string, std::filesystem::path> folders;
  for (const auto& file : options.pipelines) {
    for (std::size_t i = 0; i <= options.variants.size(); ++i) {
      Entry entry{file, options.overrides, "", file.stem().string()};
      if (i > 0) {
        entry.variant = options.variants[i - 1];
        entry.overrides.push_back(entry.variant);
        entry.folder += fmt::format("_variant_{}", i);
      }
      check(pipeline::load(file, entry.overrides, registry), registry, warnings);
      const auto [other, is_new] = folders.insert({entry.folder, file});
      if (!is_new) {
        throw InputError(fmt::format("{} and {}: two pipelines of one name cannot share a folder",
                                     other->second.string(), file.string()));
      }
      entries.push_back(std::move(entry));
    }
  }
  return entries;
}

void print_table(const Json& rows) {
  std::size_t width = 8;
  for (const Json& row : rows) width = std::max(width, row["name"].get<std::string>().size());
  data::print("\n| {:<{}} | accuracy %     | weight bits | activation bits | model bytes | s/epoch |\n",
             "pipeline", width);
  data::print("|{:-<{}}|---------------:|------------:|----------------:|------------:|--------:|\n",
             "", width + 2);
  for (const Json& row : rows) {
    data::print("| {:<{}} | {:>14} | {:>11.2f} | {:>15.2f} | {:>11} | {:>7} |\n",
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
  Warnings warnings;  // once for all runs
  const std::vector<Entry> entries = entries_of(options, registry, warnings);
  data::require_writable_folder(output);
  Json rows = Json::array();
  for (const Entry& entry : entries) {
    std::vector<std::uint64_t> seeds = options.seeds;
    if (seeds.empty()) seeds.push_back(pipeline::load(entry.file, entry.overrides, registry).seed);
    std::vector<Json> reports;
    for (const std::uint64_t seed : seeds) {
      RunOptions run_options;
      run_options.pipeline = entry.file;
      run_options.overrides = entry.overrides;
      run_options.output = output / entry.folder / fmt::format("seed_{}", seed);
      run_options.seed = seed;
      run_options.threads = options.threads;
      run_options.shared = output;
      run_options.warnings = &warnings;
      reports.push_back(run(run_options, registry));
    }
    rows.push_back(row_of(entry, reports));
  }
  const Json table{{"format", 1}, {"rows", rows}};
  data::write_text(output / "compare.json", table.dump(2) + "\n");
  data::write_text(output / "compare.csv", csv_of(rows));
  write_page(output, {});
  print_table(rows);
  return table;
}

}  // namespace qloom::experiment
