// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/run/finished.hpp"

#include <fmt/format.h>

#include "host/data/arrays/array_file.hpp"
#include "host/data/json_file.hpp"
#include "host/tensor/error.hpp"

namespace qloom::run {
namespace {

namespace fs = std::filesystem;

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
  fs::path file = pipeline_file;
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
  return pipeline::read(file, configuration["pipeline"], registry);
}

}  // namespace

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
