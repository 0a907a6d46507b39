// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <fmt/format.h>
#include <omp.h>

#include "host/data/arrays/array_file.hpp"
#include "host/data/claim.hpp"
#include "host/data/streams.hpp"
#include "host/results/checkpoint_text.hpp"
#include "host/results/page.hpp"
#include "host/results/report.hpp"
#include "host/results/reuse/inputs.hpp"
#include "host/results/reuse/standing.hpp"
#include "host/results/warnings.hpp"
#include "host/run/facts.hpp"
#include "host/run/run.hpp"
#include "host/run/run_files.hpp"
#include "host/run/stop.hpp"
#include "host/run/trainer.hpp"
#include "host/tensor/error.hpp"

namespace qloom::run {
namespace {

pipeline::Pipeline load_pipeline(const RunOptions& options, const registry::Registry& registry) {
  pipeline::Pipeline p = pipeline::load(options.pipeline, options.overrides, registry);
  return options.seed ? pipeline::with_seed(std::move(p), *options.seed) : p;
}

std::filesystem::path output_of(const RunOptions& options) {
  return options.output.empty() ? std::filesystem::path("runs") / options.pipeline.stem()
                                : options.output;
}

placing::KnownSites known_after(const pipeline::Pipeline& pipeline,
                                const registry::Registry& registry, results::Warnings& warnings);

/// Checks the pipeline that this one starts from; what its end leaves to this one.
placing::KnownSites inherited(const pipeline::Pipeline& pipeline,
                              const registry::Registry& registry, results::Warnings& warnings) {
  placing::KnownSites known =
      known_after(pipeline::load(pipeline.start_from, {}, registry), registry, warnings);
  return pipeline.takes_state ? known : placing::KnownSites{};
}

/// Checks the pipeline; of which activations evaluation knows enough at its end.
placing::KnownSites known_after(const pipeline::Pipeline& pipeline,
                                const registry::Registry& registry, results::Warnings& warnings) {
  if (pipeline.weights.empty()) {
    const Setup setup(pipeline, registry, warnings);
    return setup.check_stages(pipeline.start_from.empty() ? placing::KnownSites{}
                                                          : inherited(pipeline, registry, warnings),
                              setup.model);
  }
  Trainer trainer(pipeline, registry, [&](const Warning& w) { warnings.add(w); });
  start_from(trainer.setup(), trainer.state(), pipeline.weights, true);
  return trainer.setup().check_stages(placing::known_sites(trainer.network()),
                                      trainer.network().graph.model());
}

struct Folder {
  explicit Folder(std::filesystem::path folder) : path(std::move(folder)) {}
  std::filesystem::path path;
  std::filesystem::path report = path / "report.json", page = path / "report.html";
  std::filesystem::path checkpoint = path / "checkpoint.npz";
};

enum class Begin { kAnew, kFromCheckpoint };

Begin begin_of(const RunOptions& options, const Folder& folder) {
  return options.resume && std::filesystem::exists(folder.checkpoint) ? Begin::kFromCheckpoint
                                                                      : Begin::kAnew;
}

/// A run that is checked and not begun.
struct Prepared {
  Prepared(const RunOptions& run_options, const registry::Registry& methods)
      : options(run_options),
        registry(methods),
        pipeline(load_pipeline(options, registry)),
        folder(output_of(options)),
        stamps(pipeline, registry),
        trainer(pipeline, registry, [&](const Warning& w) { options.warnings->add(w); }),
        begin(begin_of(options, folder)) {
    const Setup& setup = trainer.setup();
    if (begin == Begin::kFromCheckpoint) {
      require_same_inputs();
      return;
    }
    if (!pipeline.weights.empty()) start_from(setup, trainer.state(), pipeline.weights, true);
    if (!pipeline.start_from.empty()) {
      setup.check_stages(inherited(pipeline, registry, *options.warnings), setup.model);
    }
    stamps.require_unchanged(setup.methods());
    trainer.state().facts.inputs = results::inputs_of(pipeline, setup.methods());
  }

  /// Refuses a checkpoint of this configuration whose program, plugins or data changed. One of
  /// another configuration is left to load(), which says so.
  void require_same_inputs() {
    const Json meta = results::read_checkpoint_meta(folder.checkpoint);
    if (!meta.is_object() ||
        pipeline::current_configuration(meta.value("configuration", Json()), registry) !=
            pipeline::configuration(pipeline, registry)) {
      return;
    }
    const Json inputs = meta.value("inputs", Json());
    const std::string changes = results::changes_since(inputs, pipeline, registry);
    if (!changes.empty()) {
      throw InputError(
          fmt::format("{}: {}; going on would mix two results: put back what changed, "
                      "or leave --resume out to start anew",
                      folder.checkpoint.string(), changes));
    }
    stamps.require_unchanged(trainer.setup().methods());
    trainer.state().facts.inputs = inputs;
  }

  RunOptions options;
  const registry::Registry& registry;
  pipeline::Pipeline pipeline;
  Folder folder;
  results::InputStamps stamps;
  Trainer trainer;
  Begin begin;
};

Json execute(Prepared& run);

/// Loads the trained state of the pipeline that this one starts from. What another run has left in
/// the folder is used when it is the same; while another process is at it, this one waits.
void load_start(Prepared& run) {
  RunOptions base;
  base.pipeline = run.pipeline.start_from;
  base.seed = run.pipeline.seed;
  base.threads = run.options.threads;
  base.shared = run.options.shared;
  base.warnings = run.options.warnings;
  base.checkpoint_every = run.options.checkpoint_every;
  base.output = start_folder(run.pipeline, run.folder.path, base.shared);
  const Folder folder(base.output);
  const data::Claim claim(base.output, stoppable_wait());
  const results::Standing standing =
      results::standing_of(base.output, load_pipeline(base, run.registry), run.registry);
  if (standing.state != results::Standing::State::kFinished) {
    if (!standing.why.empty()) {
      data::say("{}: {}: runs again\n", base.output.string(), standing.why);
    }
    base.resume = run.options.resume && standing.state == results::Standing::State::kBegun;
    Prepared first(base, run.registry);
    execute(first);
  }
  RunState& state = run.trainer.state();
  start_from(run.trainer.setup(), state, folder.checkpoint, run.pipeline.takes_state);
  state.facts.inputs["start_from"] =
      results::read_checkpoint_meta(folder.checkpoint).value("inputs", Json());
}

/// The run itself, in a folder that this process has claimed.
Json execute(Prepared& run) {
  const Folder& folder = run.folder;
  Trainer& trainer = run.trainer;
  const Setup& setup = trainer.setup();
  RunState& state = trainer.state();
  if (begin_of(run.options, folder) != run.begin) {
    throw InputError(fmt::format("{}: was written while this run began; run it again",
                                 folder.checkpoint.string()));
  }
  if (run.begin == Begin::kFromCheckpoint) {
    restore(setup, state, data::read_npz(folder.checkpoint), folder.checkpoint.string());
  } else {
    if (!run.pipeline.start_from.empty()) load_start(run);
    for (const auto& file : {folder.report, folder.page, folder.checkpoint}) {
      std::filesystem::remove(file);  // of an earlier run in this folder
    }
    trainer.prepare();
  }
  if (run.options.watch_plugins) trainer.watch_plugins();
  trainer.checkpoint_every(run.options.checkpoint_every);
  const std::string& name = run.pipeline.name;
  Progress progress(name.empty() ? run.options.pipeline.stem().string() : name,
                    run.options.progress);
  try {
    trainer.run_stages([&] { data::write_npz(folder.checkpoint, arrays_of(setup, state)); },
                       progress);
  } catch (const InputError& refused) {  // by the values of a batch
    if (!std::filesystem::exists(folder.checkpoint)) throw;
    throw RunError(refused.what());  // something was done
  }
  const Json report = results::report_of(facts_of(setup, state, omp_get_max_threads()));
  data::write_texts({{folder.page, results::page_text(results::run_page(report))},
                     {folder.report, report.dump(2) + "\n"}});  // last: it says that all is there
  return report;
}

}  // namespace

void check(const pipeline::Pipeline& pipeline, const registry::Registry& registry,
           results::Warnings& warnings) {
  known_after(pipeline, registry, warnings);
}

Json run(const RunOptions& options, const registry::Registry& registry) {
  if (options.warnings == nullptr) {
    results::Warnings printed;
    RunOptions told = options;
    told.warnings = &printed;
    return run(told, registry);
  }
  const StopSignals signals;
  if (options.threads > 0) omp_set_num_threads(options.threads);
  Prepared run(options, registry);
  RunFiles files(registry);
  files.add_run(run.pipeline, run.folder.path, options.shared);
  files.require_inputs_kept();
  data::require_writable_folder(run.folder.path);
  const data::Claim claim(run.folder.path);
  return execute(run);
}

}  // namespace qloom::run
