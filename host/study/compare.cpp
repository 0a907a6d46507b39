// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include <fmt/format.h>
#include <unistd.h>

#include "host/data/arrays/array_file.hpp"
#include "host/data/claim.hpp"
#include "host/data/json_file.hpp"
#include "host/results/page.hpp"
#include "host/results/table.hpp"
#include "host/results/warnings.hpp"
#include "host/run/run.hpp"
#include "host/run/run_files.hpp"
#include "host/run/stop.hpp"
#include "host/study/batch.hpp"
#include "host/study/known_rows.hpp"
#include "host/study/study.hpp"
#include "host/tensor/error.hpp"

namespace qloom::study {
namespace {

using json::Json;

/// One row of the table: a pipeline as it is, or with one more change.
struct Entry {
  std::filesystem::path file;
  std::vector<std::string> overrides;
  std::string variant;  ///< the change; empty: none
  std::string folder;   ///< in the output folder
  pipeline::Pipeline pipeline;
  std::vector<std::uint64_t> seeds;
  std::optional<std::size_t> start;  ///< the entry that this one starts from, if it is one

  [[nodiscard]] std::string run_folder(std::uint64_t seed) const {
    return fmt::format("{}/seed_{}", folder, seed);
  }
};

/// The entry whose runs are what this one starts from: its pipeline as it is, with the same seeds.
std::optional<std::size_t> start_of(const Entry& entry, const std::vector<Entry>& entries) {
  if (entry.pipeline.start_from.empty()) return std::nullopt;
  const auto canonical = [](const auto& file) { return std::filesystem::weakly_canonical(file); };
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (entries[i].overrides.empty() && entries[i].seeds == entry.seeds &&
        canonical(entries[i].file) == canonical(entry.pipeline.start_from)) {
      return i;
    }
  }
  return std::nullopt;
}

/// Runs that would only repeat others: they would make a mean look surer than it is.
void refuse_repeats(const CompareOptions& options) {
  const auto refuse = [](const char* option, const std::string& value) {
    throw InputError(fmt::format("{}: {} is there twice; expected each once", option, value));
  };
  for (auto i = options.seeds.begin(); i != options.seeds.end(); ++i) {
    if (std::find(options.seeds.begin(), i, *i) != i) refuse("--seeds", std::to_string(*i));
  }
  for (auto i = options.variants.begin(); i != options.variants.end(); ++i) {
    if (std::find(options.variants.begin(), i, *i) != i) refuse("--variant", '"' + *i + '"');
    if (i->starts_with("/seed=")) {
      throw InputError(
          fmt::format("--variant \"{}\": rows do not differ by seed; expected --seeds", *i));
    }
  }
  std::set<std::filesystem::path> files;
  for (const auto& file : options.pipelines) {
    if (!files.insert(std::filesystem::weakly_canonical(file)).second) {
      refuse("pipelines", file.string());
    }
  }
}

/// Every pipeline with every variant; checked, so that nothing wrong is found after an hour.
std::vector<Entry> entries_of(const CompareOptions& options, const registry::Registry& registry,
                              results::Warnings& warnings) {
  refuse_repeats(options);
  std::vector<Entry> entries;
  std::map<std::string, std::filesystem::path> folders;
  KnownRows known;
  for (const auto& file : options.pipelines) {
    for (std::size_t i = 0; i <= options.variants.size(); ++i) {
      Entry entry{file, options.overrides, "", file.stem().string(), {}, options.seeds, {}};
      if (i > 0) {
        entry.variant = options.variants[i - 1];
        entry.overrides.push_back(entry.variant);
        entry.folder += fmt::format("_variant_{}", i);
      }
      entry.pipeline = pipeline::load(file, entry.overrides, registry);
      if (entry.seeds.empty()) entry.seeds.push_back(entry.pipeline.seed);
      run::check(entry.pipeline, registry, warnings);
      const std::string row =
          fmt::format("{}{}{}", file.string(), i > 0 ? " --variant " : "", entry.variant);
      known.add("", row, pipeline::configuration(entry.pipeline, registry), file.string());
      const auto [other, is_new] = folders.insert({entry.folder, file});
      if (!is_new) {
        throw InputError(fmt::format("{} and {}: two pipelines of one name cannot share a folder",
                                     other->second.string(), file.string()));
      }
      entries.push_back(std::move(entry));
    }
  }
  for (Entry& entry : entries) entry.start = start_of(entry, entries);
  return entries;
}

std::string table_text(const Json& rows) {
  std::size_t width = 8;
  for (const Json& row : rows) width = std::max(width, row["name"].get<std::string>().size());
  std::string text = fmt::format(
      "\n| {:<{}} | accuracy %     | weight bits | activation bits | model bytes | s/epoch |\n",
      "pipeline", width);
  text += fmt::format(
      "|{:-<{}}|---------------:|------------:|----------------:|------------:|--------:|\n", "",
      width + 2);
  for (const Json& row : rows) {
    text +=
        fmt::format("| {:<{}} | {:>14} | {:>11} | {:>15} | {:>11} | {:>7} |{}\n",
                    row["name"].get<std::string>(), width, results::accuracy_text(row),
                    results::number_text(row["weight_bits"], 2),
                    results::number_text(row["activation_bits"], 2),
                    results::number_text(row["model_bytes"], 0),
                    results::number_text(row["seconds_per_epoch"], 2), results::failure_text(row));
  }
  return text;
}

std::string csv_of(const Json& rows) {
  std::string csv =
      "pipeline,name,accuracy_mean,accuracy_deviation,weight_bits,activation_bits,model_bytes,"
      "seconds_per_epoch,error\n";
  for (const Json& row : rows) {
    const auto number = [&row](const char* key) { return results::csv_number(row[key]); };
    csv +=
        fmt::format("{},{},{},{},{},{},{},{},{}\n", results::csv_field(row["pipeline"]),
                    results::csv_field(row["name"]), number("accuracy_mean"),
                    number("accuracy_deviation"), number("weight_bits"), number("activation_bits"),
                    number("model_bytes"), number("seconds_per_epoch"),
                    row["error"].is_null() ? "" : results::csv_field(row["error"]));
  }
  return csv;
}

class Comparison {
 public:
  Comparison(const CompareOptions& options, const registry::Registry& registry)
      : registry_(registry),
        output_(options.output.empty() ? std::filesystem::path("runs/compare") : options.output),
        threads_(options.threads),
        sinks_(options.sinks),
        entries_(entries_of(options, registry, warnings_)),
        is_run_(entries_.size(), false) {}

  Json execute() {
    require_inputs_kept();
    data::require_writable_folder(output_);
    const data::Claim claim(output_);
    const auto table_file = output_ / "compare.json", csv_file = output_ / "compare.csv",
               page_file = output_ / "report.html";
    for (const auto& file : {table_file, csv_file, page_file}) {
      std::filesystem::remove(file);  // of an earlier comparison: its runs are written over
    }
    for (std::size_t i = 0; i < entries_.size(); ++i) run_entry(i);
    Json table{{"format", 1}, {"rows", Json::array()}};
    for (const Entry& entry : entries_) table["rows"].push_back(row_of(entry));
    data::write_texts({{page_file, results::page_text(results::compare_page(table, output_))},
                       {csv_file, csv_of(table["rows"])},
                       {table_file, table.dump(2) + "\n"}});
    sinks_.print(table_text(table["rows"]));
    run::stop_if_asked("the table holds what is done");
    if (!errors_.empty()) {
      std::size_t all = 0;
      for (const Entry& entry : entries_) all += entry.seeds.size();
      throw RunError(fmt::format("{} of {} runs failed, see the table", errors_.size(), all));
    }
    return table;
  }

 private:
  /// InputError where a run of any row or the table would be written over what a run reads.
  void require_inputs_kept() const {
    run::RunFiles files(registry_);
    for (const char* name : {"compare.json", "compare.csv", "report.html", ".qloom-claim"}) {
      files.add_output(output_ / name);
    }
    for (const Entry& entry : entries_) {
      for (const std::uint64_t seed : entry.seeds) {
        const std::filesystem::path folder = output_ / entry.run_folder(seed);
        files.add_run(pipeline::with_seed(entry.pipeline, seed), folder, starts_of(entry));
        files.add_output(folder / "log.txt");
      }
    }
    files.require_inputs_kept();
  }
  /// Where what the entry starts from is run.
  [[nodiscard]] std::filesystem::path starts_of(const Entry& entry) const {
    return entry.start ? output_ : output_ / "start_from";
  }

  /// An entry that others start from is run before them.
  void run_entry(std::size_t index) {
    if (is_run_[index]) return;
    is_run_[index] = true;
    const Entry& entry = entries_[index];
    if (entry.start) run_entry(*entry.start);
    for (const std::uint64_t seed : entry.seeds) {
      const std::string error = run_one(entry, seed);
      if (error.empty()) continue;
      errors_[entry.run_folder(seed)] = error;
      sinks_.tell(fmt::format("{}, seed {}: failed: {}\n", name_of(entry), seed, error));
    }
  }

  /// Why it failed; empty: it did not.
  std::string run_one(const Entry& entry, std::uint64_t seed) {
    if (entry.start) {
      const auto failed = errors_.find(entries_[*entry.start].run_folder(seed));
      if (failed != errors_.end()) {
        return fmt::format("start_from {}: {}", entry.pipeline.start_from.string(), failed->second);
      }
    }
    BatchRun run{entry.file,       entry.overrides, seed, output_ / entry.run_folder(seed),
                 starts_of(entry), threads_,        false};
    if (run::stop_signal() != 0) return kNotBegun;
    const pipeline::Pipeline pipeline = pipeline::with_seed(entry.pipeline, seed);
    data::wait_until_free(run.folder, run::stoppable_wait());
    Job job = job_of(run);
    job.is_shown = true;
    job.hidden = results::kWarningMark;  // they are told once for all runs
    const char* style = isatty(STDERR_FILENO) != 0 ? "live" : "plain";
    job.arguments.insert(job.arguments.end(), {"--progress", style});
    std::string error;
    run_jobs({job}, 1, [&](std::size_t, const std::string& said) {
      error = failure_of(said, run.folder, pipeline, registry_);
    });
    if (error.empty()) tell_warnings(run.folder, warnings_);
    return error;
  }

  [[nodiscard]] Json read_report(const std::filesystem::path& folder) const {
    return data::read_json(folder / "report.json");
  }

  [[nodiscard]] static std::string name_of(const Entry& entry) {
    return entry.variant.empty() ? entry.pipeline.name : entry.pipeline.name + ", " + entry.variant;
  }

  Json row_of(const Entry& entry) {
    Json row{{"pipeline", entry.file.string()},
             {"name", name_of(entry)},
             {"seeds", Json::array()},
             {"runs", Json::array()},
             {"error", nullptr}};
    std::vector<Json> reports;
    for (const std::uint64_t seed : entry.seeds) {
      const std::string folder = entry.run_folder(seed);
      if (!errors_.contains(folder)) {
        const std::string change = change_during_batch(
            output_ / folder, pipeline::with_seed(entry.pipeline, seed), registry_);
        if (!change.empty()) errors_[folder] = change;
      }
      Json run{{"seed", seed}, {"folder", folder}, {"status", "done"}};
      if (const auto failed = errors_.find(folder); failed != errors_.end()) {
        run["status"] = "failed";
        run["error"] = failed->second;
        if (row["error"].is_null()) row["error"] = failed->second;
      } else {
        reports.push_back(read_report(output_ / folder));
        row["seeds"].push_back(seed);
      }
      row["runs"].push_back(std::move(run));
    }
    results::add_figures(reports, row);
    return row;
  }

  const registry::Registry& registry_;
  results::Warnings warnings_;  ///< of all runs, each told once
  std::filesystem::path output_;
  int threads_;
  Sinks sinks_;
  std::vector<Entry> entries_;
  std::vector<bool> is_run_;
  std::map<std::string, std::string> errors_;  ///< by the run's folder
};

}  // namespace

Json compare(const CompareOptions& options, const registry::Registry& registry) {
  const run::StopSignals signals;
  return Comparison(options, registry).execute();
}

}  // namespace qloom::study
