// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Runs a sweep: the plan's runs as child processes, then its tables. Everything lies in one folder:
// runs/<hash>/ per run, start_from/ with what runs start from, results.json, results.csv.
#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <set>

#include <fmt/format.h>
#include <omp.h>

#include "host/data/arrays/array_file.hpp"
#include "host/data/claim.hpp"
#include "host/results/page.hpp"
#include "host/results/warnings.hpp"
#include "host/run/run.hpp"
#include "host/run/run_files.hpp"
#include "host/run/stop.hpp"
#include "host/study/batch.hpp"
#include "host/study/processes.hpp"
#include "host/study/study.hpp"
#include "host/study/sweep_plan.hpp"
#include "host/study/sweep_results.hpp"
#include "host/tensor/error.hpp"

namespace qloom::study {
namespace {

namespace fs = std::filesystem;
using json::Json;
using Clock = std::chrono::steady_clock;

/// A pipeline that runs of the sweep start from.
struct Start {
  fs::path pipeline;
  std::uint64_t seed = 0;
  bool operator<(const Start& o) const {
    return std::tie(pipeline, seed) < std::tie(o.pipeline, o.seed);
  }
};

class Sweep {
 public:
  Sweep(const SweepOptions& options, const registry::Registry& registry)
      : registry_(registry),
        file_(options.file),
        plan_(plan_sweep(options.file, registry)),
        output_(options.output.empty() ? fs::path("runs") / options.file.stem() : options.output),
        processors_(options.threads > 0 ? options.threads : omp_get_num_procs()),
        jobs_(options.jobs > 0 ? options.jobs : processors_),
        sinks_(options.sinks) {
    for (const SweepRun& run : plan_.runs) {
      if (!run.start_from.empty()) add_start({run.start_from, run.seed}, 0);
    }
    results_.resize(plan_.runs.size());
  }

  Json execute() {
    require_inputs_kept();
    data::require_writable_folder(output_);
    const data::Claim claim(output_);
    for (const char* file : {"results.json", "results.csv", "report.html"}) {
      fs::remove(output_ / file);  // of an earlier sweep: the runs below it change from now on
    }
    run_starts();
    run_variants();
    check_variants();
    Json results = sweep_results(plan_, results_, output_);
    data::write_texts(
        {{output_ / "report.html", results::page_text(results::sweep_page(results, output_))},
         {output_ / "results.csv", sweep_csv(plan_, results)},
         {output_ / "results.json", results.dump(2) + "\n"}});
    sinks_.print(sweep_table_text(results));
    return results;
  }

 private:
  /// InputError where a run or the table would be written over what the sweep reads.
  void require_inputs_kept() const {
    run::RunFiles files(registry_);
    files.add_input({"sweep", file_});
    files.add_input({file_.string() + ": /base", plan_.base});
    for (const char* name : {"results.json", "results.csv", "report.html", ".qloom-claim"}) {
      files.add_output(output_ / name);
    }
    for (const SweepRun& run : plan_.runs) {
      if (run.configuration.is_null()) continue;  // refused
      const fs::path folder = output_ / "runs" / run.hash;
      files.add_run(pipeline_of(run), folder, output_ / "start_from");
      files.add_output(folder / "log.txt");
    }
    for (const auto& [start, depth] : depths_) files.add_output(start_folder(start) / "log.txt");
    files.require_inputs_kept();
  }

  [[nodiscard]] fs::path start_folder(const Start& start) const {
    return output_ / "start_from" / start.pipeline.stem() / fmt::format("seed_{}", start.seed);
  }

  /// The chain of pipelines that a run starts from; the deepest are run first.
  void add_start(const Start& start, int depth) {
    const auto [other, is_new] = stems_.insert({start.pipeline.stem(), start.pipeline});
    if (!is_new && fs::weakly_canonical(other->second) != fs::weakly_canonical(start.pipeline)) {
      throw InputError(fmt::format("{} and {}: two pipelines of one name cannot share a folder",
                                   other->second.string(), start.pipeline.string()));
    }
    pipeline::Pipeline p = pipeline::load(start.pipeline, {}, registry_);
    if (!p.start_from.empty()) add_start({p.start_from, start.seed}, depth + 1);
    int& known = depths_[start];
    known = std::max(known, depth);
    levels_ = std::max(levels_, depth + 1);
  }

  [[nodiscard]] pipeline::Pipeline pipeline_of(const Start& start) const {
    return pipeline::with_seed(pipeline::load(start.pipeline, {}, registry_), start.seed);
  }
  [[nodiscard]] pipeline::Pipeline pipeline_of(const SweepRun& run) const {
    return pipeline::with_seed(plan_.variants[run.variant].pipeline, run.seed);
  }

  void run_starts() {
    for (int depth = levels_ - 1; depth >= 0; --depth) {
      std::vector<Start> starts;
      std::vector<BatchRun> runs;
      for (const auto& [start, at] : depths_) {
        if (at != depth) continue;
        const results::Standing standing = look(start_folder(start), pipeline_of(start));
        if (standing.state == results::Standing::State::kFinished) continue;
        starts.push_back(start);
        runs.push_back(batch_run(start.pipeline, start.seed, {}, start_folder(start), standing));
      }
      tell_stale();
      run_all(runs, [&](std::size_t i, std::string error) {
        const Start& s = starts[i];
        error = failure_of(error, start_folder(s), pipeline_of(s), registry_);
        if (!error.empty()) start_errors_[s] = error;
        if (error.empty()) tell_warnings(start_folder(s), warnings_);
        tell(fmt::format("{}, seed {}", s.pipeline.stem().string(), s.seed), error,
             start_folder(s));
      });
    }
  }

  void run_variants() {
    std::vector<std::size_t> todo;
    std::vector<BatchRun> runs;
    for (std::size_t i = 0; i < plan_.runs.size(); ++i) {
      const SweepRun& run = plan_.runs[i];
      results_[i].folder = fs::path("runs") / run.hash;
      results_[i].error = known_error(run);
      if (!results_[i].error.empty()) continue;
      const results::Standing standing = look(folder(i), pipeline_of(run));
      results_[i].is_old = standing.state == results::Standing::State::kFinished;
      if (results_[i].is_old) {
        tell_warnings(folder(i), warnings_);
        continue;
      }
      todo.push_back(i);
      runs.push_back(batch_run(plan_.base, run.seed, plan_.variants[run.variant].overrides,
                               folder(i), standing));
    }
    tell_stale();
    if (todo.size() < plan_.runs.size()) {
      sinks_.tell(
          fmt::format("{}: {} runs, {} of them new\n", plan_.name, plan_.runs.size(), todo.size()));
    }
    run_all(runs, [&](std::size_t i, const std::string& error) {
      const SweepRun& run = plan_.runs[todo[i]];
      RunResult& result = results_[todo[i]];
      result.error = failure_of(error, folder(todo[i]), pipeline_of(run), registry_);
      if (result.error.empty()) tell_warnings(folder(todo[i]), warnings_);
      tell(fmt::format("{}, seed {}", plan_.variants[run.variant].label, run.seed), result.error,
           folder(todo[i]));
    });
  }

  /// One table holds results of one program, one set of plugins and one set of data.
  void check_variants() {
    for (std::size_t i = 0; i < plan_.runs.size(); ++i) {
      if (!results_[i].error.empty()) continue;
      results_[i].error = change_during_batch(folder(i), pipeline_of(plan_.runs[i]), registry_);
    }
  }

  /// What the folder holds; why it cannot be used is told by tell_stale().
  results::Standing look(const fs::path& folder, const pipeline::Pipeline& pipeline) {
    results::Standing standing = free_standing_of(folder, pipeline, registry_);
    if (standing.state == results::Standing::State::kStale) ++stale_[standing.why];
    return standing;
  }
  void tell_stale() {
    for (const auto& [why, count] : stale_) {
      sinks_.tell(fmt::format("{}: {}: {} again\n", plan_.name, why,
                              count == 1 ? "one run runs" : fmt::format("{} runs run", count)));
    }
    stale_.clear();
  }

  [[nodiscard]] fs::path folder(std::size_t i) const { return output_ / results_[i].folder; }

  /// Why the run cannot even be started; empty: it can.
  [[nodiscard]] std::string known_error(const SweepRun& run) const {
    const Variant& variant = plan_.variants[run.variant];
    if (!variant.refusal.empty()) return variant.refusal;
    const auto failed = start_errors_.find({run.start_from, run.seed});
    return failed == start_errors_.end()
               ? ""
               : fmt::format("start_from {}: {}", run.start_from.string(), failed->second);
  }

  [[nodiscard]] BatchRun batch_run(const fs::path& pipeline, std::uint64_t seed,
                                   const std::vector<std::string>& overrides,
                                   const fs::path& folder,
                                   const results::Standing& standing) const {
    return {pipeline,
            overrides,
            seed,
            folder,
            output_ / "start_from",
            0,
            standing.state == results::Standing::State::kBegun};
  }

  /// The runs share the processors.
  void run_all(std::vector<BatchRun>& runs,
               const std::function<void(std::size_t, const std::string&)>& finished) {
    std::vector<Job> jobs;
    for (BatchRun& run : runs) {
      run.threads = std::max(1, processors_ / std::min(jobs_, static_cast<int>(runs.size())));
      jobs.push_back(job_of(run));
    }
    total_ = jobs.size();
    done_ = failed_ = 0;
    begun_ = Clock::now();
    run_jobs(jobs, jobs_, finished);
  }

  /// The line of one finished run: how many are over, what came out, how long the rest will take.
  void tell(const std::string& what, const std::string& error, const fs::path& folder) {
    ++done_;
    if (!error.empty()) ++failed_;
    const double seconds = std::chrono::duration<double>(Clock::now() - begun_).count();
    const double left = seconds / double(done_) * double(total_ - done_);
    sinks_.tell(fmt::format("{}: {}/{} [{}] {}{}{}\n", plan_.name, done_, total_, what,
                            error.empty() ? run_figures(folder) : "failed: " + error,
                            failed_ > 0 ? fmt::format(", {} failed so far", failed_) : "",
                            done_ < total_ ? fmt::format(", {:.0f} s left", left) : ""));
  }

  const registry::Registry& registry_;
  fs::path file_;
  SweepPlan plan_;
  fs::path output_;
  int processors_, jobs_, levels_ = 0;
  Sinks sinks_;
  std::map<Start, int> depths_;
  std::map<fs::path, fs::path> stems_;
  std::map<Start, std::string> start_errors_;
  std::vector<RunResult> results_;
  std::map<std::string, int> stale_;  ///< runs by why they run again
  results::Warnings warnings_;
  std::size_t total_ = 0, done_ = 0, failed_ = 0;
  Clock::time_point begun_;
};

}  // namespace

Json sweep(const SweepOptions& options, const registry::Registry& registry) {
  const run::StopSignals signals;
  const Json results = Sweep(options, registry).execute();
  run::stop_if_asked("the table holds what is done; started again, the sweep goes on from there");
  std::size_t failed = 0, all = 0;
  for (const Json& row : results["rows"]) {
    for (const Json& run : row["runs"]) {
      failed += run["status"] == "failed" ? 1 : 0;
      ++all;
    }
  }
  if (failed > 0) {
    throw RunError(fmt::format("{} of {} runs failed, see the table", failed, all));
  }
  return results;
}

}  // namespace qloom::study
