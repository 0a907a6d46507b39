// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What a run collects for its report: values only, no part of the running run.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "host/json/json.hpp"
#include "host/registry/registry.hpp"
#include "host/results/storage.hpp"
#include "host/sites/placement.hpp"
#include "host/tensor/tensor.hpp"

namespace qloom::results {

/// The result of an evaluate stage.
struct Score {
  double loss = 0, accuracy = 0;
  std::int64_t correct = 0, count = 0;
};

/// A moment at which rules with "from", or of procedures, changed the placement.
struct Swap {
  std::uint64_t epoch = 0, step = 0;
  sites::Placement before, after;
};

/// A stored parameter, or what a contraction reads of one sample.
struct TensorFact {
  std::string name;
  Shape shape;  ///< of a parameter
  std::int64_t elements = 0;
  double bits = 32;                ///< one value as evaluation uses it, on average
  std::uint32_t stored_bits = 32;  ///< of a parameter: one value as training stores it
  bool is_weight = false;
  Storage storage;
};

struct SiteFact {
  std::string quantizer;
  std::uint32_t bits = 32;
};

/// Lists that are JSON have the form of report.schema.json.
struct RunFacts {
  // Kept while the run goes on; a checkpoint holds them too.
  json::Json inputs = json::Json::object();  ///< what the run is computed from (inputs.hpp)
  json::Json series = json::Json::object(), stages = json::Json::array();
  json::Json reloads = json::Json::array();           ///< libraries loaded anew, as "events"
  std::map<std::string, std::vector<double>> custom;  ///< figures of procedures
  /// Tables of procedures by name, each {"title", "columns", "rows"}.
  std::map<std::string, json::Json> tables;
  /// Of sites that act in training alone, after the last epoch (formats.hpp).
  json::Json formats_of_training = json::Json::object();
  std::optional<Score> final_score;
  /// All methods of the run, also those that act only before or after a swap, or that procedures
  /// brought in.
  std::set<const registry::Method*> methods;
  /// Rules of procedures in their order: {"epoch", "step", "rule"}.
  json::Json added_rules = json::Json::array();
  // Of this process alone. Unit: seconds, steps.
  double seconds = 0, training_seconds = 0;
  std::uint64_t steps_run = 0;

  // Taken when the run is over.
  std::string name, pipeline_file, model, dataset;
  std::uint64_t seed = 0, steps = 0, steps_per_epoch = 1;
  json::Json recipe;  ///< {"plugin": ..., parameters}; null: none
  json::Json configuration, warnings = json::Json::array(), layer_statistics;
  std::vector<Swap> swaps;
  std::vector<TensorFact> parameters, activations;
  std::map<std::string, SiteFact> sites;
  json::Json formats = json::Json::object();  ///< of all sites
  std::map<std::string, std::uint64_t> overflows;
  int threads = 1;
};

}  // namespace qloom::results
