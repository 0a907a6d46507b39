// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/study/batch.hpp"

#include <utility>

#include <fmt/format.h>

#include "host/data/arrays/array_file.hpp"
#include "host/data/claim.hpp"
#include "host/data/json_file.hpp"
#include "host/data/streams.hpp"
#include "host/run/stop.hpp"
#include "host/tensor/error.hpp"

namespace qloom::study {

Job job_of(const BatchRun& run) {
  Job job;
  job.arguments = {"run",      run.pipeline.string(), "--seed",   std::to_string(run.seed),
                   "--output", run.folder.string(),   "--shared", run.shared.string()};
  if (run.threads > 0) {
    job.arguments.insert(job.arguments.end(), {"--threads", std::to_string(run.threads)});
  }
  if (run.resume) job.arguments.emplace_back("--resume");
  for (const auto& assignment : run.overrides) {
    job.arguments.insert(job.arguments.end(), {"--set", assignment});
  }
  std::error_code error;
  std::filesystem::create_directories(run.folder, error);
  if (error) throw RunError(fmt::format("{}: {}", run.folder.string(), error.message()));
  job.log = run.folder / "log.txt";
  return job;
}

results::Standing free_standing_of(const std::filesystem::path& folder,
                                   const pipeline::Pipeline& pipeline,
                                   const registry::Registry& registry) {
  data::wait_until_free(folder, run::stoppable_wait());
  return results::standing_of(folder, pipeline, registry);
}

std::string failure_of(const std::string& error, const std::filesystem::path& folder,
                       const pipeline::Pipeline& pipeline, const registry::Registry& registry) {
  if (!error.empty()) return error;
  const results::Standing standing = results::standing_of(folder, pipeline, registry);
  if (standing.state == results::Standing::State::kFinished) return "";
  return standing.why.empty() ? "its process ended with status 0 before its work was done"
                              : standing.why;
}

std::string change_during_batch(const std::filesystem::path& folder,
                                const pipeline::Pipeline& pipeline,
                                const registry::Registry& registry) {
  const results::Standing standing = results::standing_of(folder, pipeline, registry);
  if (standing.state == results::Standing::State::kFinished) return "";
  return fmt::format("{} while the other runs went on: start it again",
                     standing.why.empty() ? "its folder changed" : standing.why);
}

void tell_warnings(const std::filesystem::path& folder, results::Warnings& warnings) {
  const json::Json report = data::read_json(folder / "report.json");
  for (const json::Json& w : report.value("warnings", json::Json::array())) {
    warnings.add({w.at("where").get<std::string>(), w.at("what").get<std::string>()});
  }
}

}  // namespace qloom::study
