// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/study/sweep_results.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "host/data/arrays/array_file.hpp"
#include "host/data/json_file.hpp"
#include "host/results/table.hpp"

namespace qloom::study {
namespace {

using json::Json;

Json read_report(const std::filesystem::path& folder) {
  return data::read_json(folder / "report.json");
}

/// The row of variant `index`: its settings, its runs, figures over those that are done.
Json row_of(const SweepPlan& plan, std::size_t index, const std::vector<RunResult>& results,
            const std::filesystem::path& output) {
  Json row{{"label", plan.variants[index].label},
           {"settings", plan.variants[index].settings},
           {"seeds", Json::array()},
           {"runs", Json::array()},
           {"error", nullptr}};
  std::vector<Json> reports;
  for (std::size_t i = 0; i < plan.runs.size(); ++i) {
    if (plan.runs[i].variant != index) continue;
    Json run{{"seed", plan.runs[i].seed}, {"folder", results[i].folder.string()}};
    run["status"] = results[i].error.empty() ? "done" : "failed";
    if (results[i].error.empty()) {
      reports.push_back(read_report(output / results[i].folder));
      row["seeds"].push_back(plan.runs[i].seed);
    } else {
      run["error"] = results[i].error;
      if (row["error"].is_null()) row["error"] = results[i].error;
    }
    row["runs"].push_back(std::move(run));
  }
  results::add_figures(reports, row);
  return row;
}

bool dominates(const Json& a, const Json& b) {
  const auto figure = [](const Json& row, const char* key) { return row[key].get<double>(); };
  bool is_better = false;
  for (const char* key : {"weight_bits", "activation_bits"}) {
    if (figure(a, key) > figure(b, key)) return false;
    is_better |= figure(a, key) < figure(b, key);
  }
  const char* accuracy = "accuracy_mean";
  if (figure(a, accuracy) < figure(b, accuracy)) return false;
  return is_better || figure(a, accuracy) > figure(b, accuracy);
}

void mark_front(Json& rows) {
  for (Json& row : rows) {
    row["pareto"] = false;
    if (row["accuracy_mean"].is_null()) continue;
    row["pareto"] = std::none_of(rows.begin(), rows.end(), [&row](const Json& other) {
      return !other["accuracy_mean"].is_null() && dominates(other, row);
    });
  }
}

/// Characters of UTF-8 text.
std::size_t width_of(const std::string& text) {
  const auto starts = [](char c) { return (static_cast<unsigned>(c) & 0xC0U) != 0x80U; };
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), starts));
}

}  // namespace

Json sweep_results(const SweepPlan& plan, const std::vector<RunResult>& results,
                   const std::filesystem::path& output) {
  Json rows = Json::array();
  for (std::size_t i = 0; i < plan.variants.size(); ++i) {
    rows.push_back(row_of(plan, i, results, output));
  }
  mark_front(rows);
  return {{"format", 1},
          {"name", plan.name},
          {"base", plan.base.string()},
          {"pointers", plan.pointers},
          {"columns", plan.columns},
          {"rows", rows}};
}

std::string sweep_csv(const SweepPlan& plan, const Json& results) {
  std::string csv;
  for (const auto& pointer : plan.pointers) csv += results::csv_field(pointer) + ",";
  csv +=
      "seeds,accuracy_mean,accuracy_deviation,weight_bits,activation_bits,model_bytes,"
      "seconds_per_epoch,pareto,error\n";
  for (const Json& row : results["rows"]) {
    for (const auto& pointer : plan.pointers) {
      const Json value = row["settings"].value(pointer, Json());
      csv += value.is_null()     ? ","
             : value.is_string() ? results::csv_field(value.get<std::string>()) + ","
                                 : results::csv_field(value.dump()) + ",";
    }
    csv += std::to_string(row["seeds"].size());
    for (const char* key : {"accuracy_mean", "accuracy_deviation", "weight_bits", "activation_bits",
                            "model_bytes", "seconds_per_epoch"}) {
      csv.append(",").append(results::csv_number(row[key]));
    }
    csv += row["pareto"] == true ? ",yes," : ",no,";
    csv +=
        (row["error"].is_null() ? "" : results::csv_field(row["error"].get<std::string>())) + "\n";
  }
  return csv;
}

std::string sweep_table_text(const Json& results) {
  std::size_t width = 11;
  for (const Json& row : results["rows"]) {
    width = std::max(width, width_of(row["label"].get<std::string>()));
  }
  std::string text = fmt::format(
      "\n| {:<{}} | accuracy %     | weight bits | activation bits | model bytes | s/epoch "
      "| front |\n",
      "combination", width);
  text += fmt::format(
      "|{:-<{}}|---------------:|------------:|----------------:|------------:|--------:|"
      "-------|\n",
      "", width + 2);
  for (const Json& row : results["rows"]) {
    text += fmt::format("| {:<{}} | {:>14} | {:>11} | {:>15} | {:>11} | {:>7} | {:<5} |{}\n",
                        row["label"].get<std::string>(), width, results::accuracy_text(row),
                        results::number_text(row["weight_bits"], 2),
                        results::number_text(row["activation_bits"], 2),
                        results::number_text(row["model_bytes"], 0),
                        results::number_text(row["seconds_per_epoch"], 2),
                        row["pareto"] == true ? "*" : "", results::failure_text(row));
  }
  return text;
}

std::string run_figures(const std::filesystem::path& folder) {
  const Json report = read_report(folder);
  if (!report.contains("final")) return "done, without an evaluate stage";
  return fmt::format("accuracy {:.2f} %, loss {:.4f}",
                     100.0 * report["final"]["accuracy"].get<double>(),
                     report["final"]["loss"].get<double>());
}

}  // namespace qloom::study
