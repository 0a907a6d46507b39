// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/run/finished.hpp"

#include <fmt/format.h>

#include "host/data/arrays/array_file.hpp"
#include "host/data/json_file.hpp"
#include "host/results/reuse/inputs.hpp"
#include "host/results/sections.hpp"
#include "host/tensor/error.hpp"

namespace qloom::run {
namespace {

namespace fs = std::filesystem;

/// The entries of data files in "inputs".
Json data_of(const Json& inputs) {
  Json data = Json::array();
  const Json files = inputs.is_object() ? inputs.value("files", Json()) : Json();
  for (const Json& file : files) {
    if (file.is_object() && file.value("what", Json()) == "data") data.push_back(file);
  }
  return data;
}

/// The normalisation of images comes from the data: a network on other data is not the run's.
void require_same_data(const pipeline::Pipeline& pipeline, const Json& report,
                       const std::string& where) {
  const Json now = data_of(results::inputs_of(pipeline, {}));
  if (data_of(report.value("inputs", Json())) == now) return;
  throw InputError(
      fmt::format("{}: /inputs: the data files are others than those of the run; put "
                  "them back, or run the pipeline again",
                  where));
}

/// A newer program's report may mean something else by what this one reads.
void require_known_form(const Json& report, const std::string& where) {
  const auto require = [&](const char* pointer, int known) {
    const Json::json_pointer place(pointer);
    if (!report.contains(place)) return;
    const Json& found = report[place];
    if (found.is_number_integer() && found >= 1 && found <= known) return;
    throw InputError(fmt::format(
        "{}: {}: {}, expected {}{}", where, pointer, found.dump(), known,
        found.is_number() && found > known ? "; the run is a newer program's: use that one" : ""));
  };
  require("/format", results::kReportFormat);
  require("/sections/origin/revision", results::kOriginRevision);
}

}  // namespace

pipeline::Pipeline pipeline_of(const fs::path& folder, const fs::path& pipeline_file,
                               const registry::Registry& registry) {
  const fs::path report = folder / "report.json";
  if (!fs::exists(report)) {
    throw InputError(fmt::format("{}: no such file; expected the output folder of a finished run",
                                 report.string()));
  }
  const Json text = data::read_json(report);
  const Json configuration = text.is_object() ? text.value("configuration", Json()) : Json();
  if (!configuration.is_object() || !configuration.contains("pipeline")) {
    throw InputError(report.string() +
                     ": /configuration/pipeline is missing; expected the report of a run");
  }
  require_known_form(text, report.string());
  fs::path file = pipeline_file;
  if (!file.empty() && !fs::is_regular_file(file)) {
    throw InputError(
        fmt::format("--pipeline: \"{}\" is no file; expected the run's pipeline file, "
                    "from whose folder its paths start",
                    file.string()));
  }
  const Json::json_pointer place("/sections/origin/pipeline_file");
  if (file.empty() && text.contains(place) && text[place].is_string()) {
    file = text[place].get<std::string>();
  }
  if (file.empty() || !fs::exists(file)) {
    throw InputError(fmt::format(
        "{}: /sections/origin/pipeline_file: \"{}\" is not there; name the run's pipeline "
        "with --pipeline",
        report.string(), file.string()));
  }
  pipeline::Pipeline pipeline = pipeline::read(file, configuration["pipeline"], registry);
  require_same_data(pipeline, text, report.string());
  return pipeline;
}

Finished::Finished(const fs::path& folder, const fs::path& pipeline_file,
                   const registry::Registry& registry)
    : trainer_(pipeline_of(folder, pipeline_file, registry), registry,
               [](const Warning&) {}) {  // the run has told them
  const fs::path checkpoint = folder / "checkpoint.npz";
  restore(trainer_.setup(), trainer_.state(), data::read_npz(checkpoint), checkpoint.string());
  const std::size_t stages = pipeline().stages.size();
  if (trainer_.cursor().stage < stages) {
    throw InputError(fmt::format("{}: ends in stage {} of {}; expected a finished run",
                                 checkpoint.string(), trainer_.cursor().stage, stages));
  }
}

network::Pass Finished::evaluation(std::uint64_t i) const {
  network::Pass pass;
  pass.use_shadows = true;
  pass.counts_overflows = false;
  pass.phase.epoch = trainer_.cursor().epochs;
  pass.phase.step = i;
  return pass;
}

}  // namespace qloom::run
