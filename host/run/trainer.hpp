// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// One run: its network, data, procedures and where it stands.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "host/data/datasets/dataset.hpp"
#include "host/json/printable.hpp"
#include "host/layers/common/losses.hpp"
#include "host/methods/procedure.hpp"
#include "host/network/network.hpp"
#include "host/pipeline/pipeline.hpp"
#include "host/placing/known_sites.hpp"
#include "host/registry/libraries/watcher.hpp"
#include "host/results/checkpoint_text.hpp"
#include "host/results/facts.hpp"
#include "host/results/warnings.hpp"
#include "host/run/checkpoint_interval.hpp"
#include "host/run/progress.hpp"
#include "host/tensor/error.hpp"

namespace qloom::run {

using json::Json;
using results::CheckpointText;
using results::Cursor;
using results::EpochSums;

class Trainer {
 public:
  /// kCheck: all is checked, but no weights are made; such a trainer cannot run.
  enum class Purpose { kRun, kCheck };
  /// Loads data and model, lowers, initialises. InputError for wrong input; `tell` gets each
  /// warning when it is found.
  Trainer(pipeline::Pipeline pipeline, const registry::Registry& registry,
          results::Warnings::Tell tell = results::print_warning, Purpose purpose = Purpose::kRun);
  Trainer(const Trainer&) = delete;  // procedures hold its address
  Trainer& operator=(const Trainer&) = delete;

  /// Starting weights from a checkpoint or .npz: parameters and norm statistics; with `takes_state`
  /// also what methods learned at readers that keep it, and shadows with their norm statistics,
  /// which a train stage drops. InputError as check_stages().
  void start_from(const std::filesystem::path& weights, bool takes_state);
  /// InputError when a stage would evaluate activations of which nothing before it says ranges or
  /// first values; returns what is known at the end. `known` is what the run starts from.
  placing::KnownSites check_stages(placing::KnownSites known) const;
  /// Shadows that came with the starting weights go; before training, and before a procedure sets
  /// its own.
  void drop_inherited_shadows();
  /// Event PREPARE; once, for a run that is not resumed.
  void prepare();
  /// Runs the stages from the cursor on; calls `checkpoint` after each epoch and each stage, inside
  /// an epoch as the interval says, and before it throws Stopped (stop.hpp).
  void run_stages(const std::function<void()>& checkpoint, Progress& progress);

  void checkpoint_every(CheckpointInterval interval) { interval_ = interval; }

  /// From now on a library that is written anew replaces its methods at the next step.
  void watch_plugins();

  void save(const std::filesystem::path& file) const;
  /// InputError when the checkpoint is of another pipeline or seed.
  void load(const std::filesystem::path& file);

  // What procedures see through qloom.run/1 (run_service.cpp), and reports.
  network::Network& network() { return *network_; }
  [[nodiscard]] const network::Network& network() const { return *network_; }
  [[nodiscard]] const pipeline::Pipeline& pipeline() const { return pipeline_; }
  [[nodiscard]] const data::Dataset& dataset() const { return dataset_; }
  [[nodiscard]] const Cursor& cursor() const { return cursor_; }
  void remove_norm(std::uint64_t index);
  void retune_norms(std::uint64_t batches);
  /// Told once and listed in the report.
  void warn(const Warning& warning) { warnings_.add(warning); }
  [[nodiscard]] const Json& warnings() const { return warnings_.list(); }
  void report_value(const std::string& key, double value) {
    facts_.custom[json::printable(key)].push_back(value);
  }
  [[nodiscard]] std::uint64_t steps_per_epoch() const;
  [[nodiscard]] double learning_rate() const { return learning_rate_; }
  void scale_learning_rate(double factor) { rate_factor_ *= factor; }
  struct LogitsView {
    const float* logits = nullptr;
    float* gradient = nullptr;
    const std::int32_t* labels = nullptr;
    std::int64_t batch = 0, classes = 0;
  };
  [[nodiscard]] const LogitsView& logits() const { return logits_view_; }
  [[nodiscard]] bool in_training() const { return in_training_; }

  /// What the run has collected so far; facts.hpp completes it.
  [[nodiscard]] const results::RunFacts& facts() const { return facts_; }
  /// What the run is computed from (inputs.hpp); its checkpoints and its report say it.
  void set_inputs(Json inputs) { facts_.inputs = std::move(inputs); }
  [[nodiscard]] const registry::Registry& registry() const { return *registry_; }

 private:
  void lower();
  /// lower() where rules with "from" begin to act at this step.
  void lower_if_due();
  /// Cursor, series and results from a checkpoint's text. InputError when it is of another run.
  void take(const CheckpointText& text, const std::string& file);
  [[nodiscard]] std::unique_ptr<network::Network> new_network() const;
  void create_procedures();
  /// All that a checkpoint holds, and the way back; `where` names it in messages.
  [[nodiscard]] data::Arrays state() const;
  void restore(const data::Arrays& state, const std::string& where);
  /// New code that has not got through a step yet, and what stood before it.
  struct Trial {
    data::Arrays before;
    Json inputs;
    std::vector<std::unique_ptr<registry::Registry::Reload>> reloads;
    std::vector<std::pair<std::size_t, std::string>> events;  ///< in reloads, with the library
  };
  void reload_changed(Progress& progress);
  void reload(const std::filesystem::path& library);
  void keep_new_code();
  /// The run stands where it stood before the trial, with the old code.
  void go_back(const std::string& reason, Progress& progress);
  void emit(std::uint32_t event);
  /// RunError with the method that changed the floating-point state of a thread.
  void require_floating_point() const;
  void finalize_if_due();
  void train(const pipeline::Stage& stage, Progress& progress);
  void train_epoch(const pipeline::Stage& stage, Progress& progress);
  /// train_step(); when new code fails in it, once more with the old code.
  layers::Loss tried_step(const pipeline::Stage& stage, std::int64_t n, Progress& progress);
  layers::Loss train_step(const pipeline::Stage& stage, std::int64_t n);
  [[nodiscard]] std::string cause_of(const RunError& error) const;
  [[nodiscard]] bool is_checkpoint_due() const;
  /// Writes the checkpoint; Stopped when a signal asked for it.
  void keep_and_stop_if_asked();
  /// Returns how many batches were shown.
  std::uint64_t calibrate(const pipeline::Stage& stage, Progress& progress);
  results::Score evaluate(const pipeline::Stage& stage, Progress& progress);
  [[nodiscard]] double scheduled_rate(const pipeline::Stage& stage, std::uint64_t step,
                                      std::uint64_t total) const;
  void load_batch(const data::Split& split, const std::int32_t* order, std::int64_t first,
                  std::int64_t n);

  results::Warnings warnings_;
  pipeline::Pipeline pipeline_;
  const registry::Registry* registry_;
  data::Dataset dataset_;
  std::unique_ptr<network::Network> network_;
  std::vector<methods::Procedure> procedures_;
  std::set<std::uint64_t> swap_steps_;  ///< done steps at which rules with "from" begin to act
  Cursor cursor_;
  Tensor batch_, logits_gradient_;
  std::vector<std::int32_t> labels_, order_;
  LogitsView logits_view_;
  std::string loss_ = "softmax_cross_entropy";  ///< of the last training, also that of a base
  bool inherits_shadows_ = false;
  bool in_training_ = false;
  double learning_rate_ = 0, rate_factor_ = 1;
  std::optional<registry::FileWatcher> watcher_;
  results::RunFacts facts_;
  EpochSums sums_;
  CheckpointInterval interval_;
  std::function<void()> checkpoint_;
  std::chrono::steady_clock::time_point last_checkpoint_;
  std::optional<Trial> trial_;
};

}  // namespace qloom::run
