// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Seconds of one training step (forward, loss, backward, update) of a model under rule files, on
// random images. All rule files are measured in turn, step by step, so that their ratios hold on a
// machine whose speed drifts. The first rule file is the base of the ratios.
//
//   qloom_training_bench --model M.json --input 32x32x3 [--classes 10] [--batch 128]
//                        [--repeats 15] [--threads 2] [--json FILE] RULES.json ...
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <omp.h>
#include <CLI/CLI.hpp>

#include "tests/benchmarks/stepper.hpp"

namespace {

using namespace qloom;
using json::Json;

struct Options {
  bench::StepperOptions network;
  std::string json;
  int repeats = 15, threads = 0;
  std::vector<std::string> rules;
};

double seconds_of_step(bench::Stepper& stepper) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  stepper.step();
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double median(std::vector<double> v) {
  std::nth_element(v.begin(), v.begin() + static_cast<std::ptrdiff_t>(v.size() / 2), v.end());
  return v[v.size() / 2];
}

void run(const Options& options) {
  if (options.threads > 0) omp_set_num_threads(options.threads);
  const registry::Registry registry(registry::Registry::default_folders());
  std::vector<std::unique_ptr<bench::Stepper>> steppers;
  for (const std::string& rules : options.rules) {
    steppers.push_back(std::make_unique<bench::Stepper>(options.network, rules, registry));
  }
  std::vector<std::vector<double>> seconds(steppers.size());
  for (int i = -3; i < options.repeats; ++i) {
    for (std::size_t s = 0; s < steppers.size(); ++s) {
      const double t = seconds_of_step(*steppers[s]);
      if (i >= 0) seconds[s].push_back(t);
    }
  }
  Json rows = Json::array();
  for (std::size_t s = 0; s < steppers.size(); ++s) {
    std::vector<double> ratios;
    for (std::size_t i = 0; i < seconds[s].size(); ++i) {
      ratios.push_back(seconds[s][i] / seconds[0][i]);
    }
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    rows.push_back({{"model", std::filesystem::path(options.network.model).stem().string()},
                    {"rules", std::filesystem::path(options.rules[s]).stem().string()},
                    {"batch", options.network.batch},
                    {"seconds", median(seconds[s])},
                    {"ratio_to_first", median(ratios)},
                    {"peak_bytes", static_cast<std::int64_t>(usage.ru_maxrss) * 1024}});
    std::printf("%-10s %-16s %9.3f ms  x %.3f\n", rows.back()["model"].get<std::string>().c_str(),
                rows.back()["rules"].get<std::string>().c_str(), 1e3 * median(seconds[s]),
                median(ratios));
  }
  if (!options.json.empty()) std::ofstream(options.json) << rows.dump(2) << "\n";
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Seconds of one training step under rule files, in turn");
  app.add_option("--model", options.network.model, "model file")->required();
  app.add_option("--input", options.network.input, "height x width x channels")
      ->capture_default_str();
  app.add_option("--classes", options.network.classes)->capture_default_str();
  app.add_option("--batch", options.network.batch)->capture_default_str();
  app.add_option("--repeats", options.repeats)->capture_default_str();
  app.add_option("--threads", options.threads, "0: all")->capture_default_str();
  app.add_option("--json", options.json, "write the rows to this file");
  app.add_option("rules", options.rules, "rule files: a pipeline's norm and rules")->required();
  CLI11_PARSE(app, argc, argv);
  try {
    run(options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "qloom_training_bench: %s\n", error.what());
    return 2;
  }
  return 0;
}
