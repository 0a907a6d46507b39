// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <fmt/format.h>
#include <omp.h>

#include "host/data/array_file.hpp"
#include "host/experiment/experiment.hpp"
#include "host/experiment/page.hpp"
#include "host/experiment/report.hpp"
#include "host/experiment/warnings.hpp"
#include "host/tensor/error.hpp"

namespace qloom::experiment {
namespace {

pipeline::Pipeline load_pipeline(const RunOptions& options, const registry::Registry& registry) {
  pipeline::Pipeline p = pipeline::load(options.pipeline, options.overrides, registry);
  if (options.seed) {
    p.seed = *options.seed;
    p.as_used["seed"] = p.seed;
  }
  return p;
}

std::filesystem::path output_of(const RunOptions& options) {
  return options.output.empty() ? std::filesystem::path("runs") / options.pipeline.stem()
                                : options.output;
}

/// The checkpoint of the pipeline that this one starts from; runs it first when need be.
std::filesystem::path base_weights(const pipeline::Pipeline& p, const RunOptions& options,
                                   const registry::Registry& registry) {
  RunOptions base;
  base.pipeline = p.start_from;
  base.seed = p.seed;
  base.threads = options.threads;
  base.shared = options.shared;
  base.resume = options.resume;
  base.warnings = options.warnings;
  base.output = options.shared.empty()
                    ? output_of(options) / "start_from"
                    : options.shared / p.start_from.stem() / fmt::format("seed_{}", p.seed);
  const pipeline::Pipeline known = load_pipeline(base, registry);
  if (!is_finished(base.output, pipeline::configuration(known, registry), known.seed)) {
    run(base, registry);
  }
  return base.output / "checkpoint.npz";
}

}  // namespace

bool is_finished(const std::filesystem::path& folder, const Json& configuration,
                 std::uint64_t seed) {
  const auto report = folder / "report.json";
  if (!std::filesystem::exists(report) || !std::filesystem::exists(folder / "checkpoint.npz")) {
    return false;
  }
  const Json text = Json::parse(data::read_text(report), nullptr, false);
  return text.is_object() && text.value("configuration", Json()) == configuration &&
         text.value("seed", Json()) == Json(seed) &&
         text.value("host_version", "") == registry::host_services().version;
}

void check(const pipeline::Pipeline& pipeline, const registry::Registry& registry,
           Warnings& warnings) {
  const Trainer trainer(pipeline, registry, [&](const Warning& w) { warnings.add(w); });
  if (!pipeline.start_from.empty()) {
    check(pipeline::load(pipeline.start_from, {}, registry), registry, warnings);
  }
}

Json run(const RunOptions& options, const registry::Registry& registry) {
  if (options.warnings == nullptr) {
    Warnings printed;
    RunOptions told = options;
    told.warnings = &printed;
    return run(told, registry);
  }
  pipeline::Pipeline p = load_pipeline(options, registry);
  if (options.threads > 0) omp_set_num_threads(options.threads);
  const std::filesystem::path output = output_of(options);
  const std::filesystem::path checkpoint = output / "checkpoint.npz";
  const std::filesystem::path start_from = p.start_from, weights = p.weights;
  Trainer trainer(p, registry, [&](const Warning& w) { options.warnings->add(w); });
  const bool resumes = options.resume && std::filesystem::exists(checkpoint);
  if (!resumes && !weights.empty()) trainer.start_from(weights);
  if (!resumes && !start_from.empty()) {
    check(pipeline::load(start_from, {}, registry), registry, *options.warnings);
  }
  data::require_writable_folder(output);
  if (resumes) {
    trainer.load(checkpoint);
  } else {
    if (!start_from.empty()) trainer.start_from(base_weights(p, options, registry));
    std::filesystem::remove(output / "report.json");  // of an earlier run in this folder
    std::filesystem::remove(checkpoint);
    trainer.prepare();
  }
  if (options.watch_plugins) trainer.watch_plugins();
  Progress progress(p.name.empty() ? options.pipeline.stem().string() : p.name);
  trainer.run_stages([&] { trainer.save(checkpoint); }, progress);
  const Json report = report_of(trainer, omp_get_max_threads());
  data::write_text(output / "report.json", report.dump(2) + "\n");
  write_page(output, {});
  return report;
}

}  // namespace qloom::experiment
