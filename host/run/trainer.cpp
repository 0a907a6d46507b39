// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/run/trainer.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <iterator>
#include <numbers>

#include <fmt/format.h>

#include "host/layers/common/losses.hpp"
#include "host/placing/placing.hpp"
#include "host/registry/calls/call_record.hpp"
#include "host/run/norm_settings.hpp"
#include "host/run/run_service.hpp"
#include "host/run/settings.hpp"
#include "host/run/stop.hpp"
#include "host/run/training.hpp"
#include "host/tensor/error.hpp"

namespace qloom::run {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

constexpr const char* kStageAnew =
    "the stage begins anew with --resume, the last checkpoint stays as it is";

network::Model model_of(const pipeline::Pipeline& p, const data::Dataset& d) {
  return network::parse_model(p.model, p.model_where,
                              {d.train.height, d.train.width, d.train.channels}, d.classes);
}

void collect_methods(const network::Placement& placement,
                     std::set<const registry::Method*>& methods) {
  for (const auto& [key, spec] : placement.quantizers) {
    methods.insert({spec.quantizer.method, spec.rounding.method});
    if (spec.range.method != nullptr) methods.insert(spec.range.method);
  }
  for (const auto& [key, spec] : placement.accumulators) {
    methods.insert({spec.accumulator.method, spec.rounding.method});
  }
  for (const auto& [layer, spec] : placement.norms) methods.insert(spec.method);
}

data::Dataset load_data(const pipeline::Pipeline& p) try {
  return data::load(p.source);
} catch (const InputError& error) {
  throw InputError(fmt::format("{}: /data: {}", p.file.string(), error.what()));
}

}  // namespace

Trainer::Trainer(pipeline::Pipeline pipeline, const registry::Registry& registry,
                 results::Warnings::Tell tell, Purpose purpose)
    : warnings_(std::move(tell)),
      pipeline_(std::move(pipeline)),
      registry_(&registry),
      dataset_(load_data(pipeline_)),
      network_(new_network()) {
  install_run_service();
  if (purpose == Purpose::kCheck) network_->parameters.plan_only();
  // Rules that only act later are checked now, before any work.
  check_methods(pipeline_, network_->graph.model(), dataset_, registry, warnings_);
  NormSettings norms(pipeline_, dataset_.train.count, registry);
  std::vector<Calibration> calibrations;
  for (const placing::Moment moment : placing::changes(pipeline_, steps_per_epoch())) {
    const network::Placement placement =
        placing::place(pipeline_, network_->graph.model(), registry, moment);
    collect_methods(placement, facts_.methods);
    network_->lower(placement);
    norms.see(*network_, warnings_);
    calibrations.push_back({moment, !network_->plan.calibrated_sites().empty()});
    if (moment.steps > 0) swap_steps_.insert(moment.steps);
  }
  norms.finish();
  check_lengths(pipeline_, dataset_, calibrations, registry, warnings_);
  lower();
  if (pipeline_.start_from.empty() && pipeline_.weights.empty()) check_stages({});
  if (purpose == Purpose::kRun) network_->parameters.initialise(network_->graph.model());
  for (const pipeline::Procedure& p : pipeline_.procedures) {
    facts_.methods.insert(&registry.require("procedure", p.id, p.where));
  }
  create_procedures();
}

std::unique_ptr<network::Network> Trainer::new_network() const {
  return std::make_unique<network::Network>(model_of(pipeline_, dataset_), *registry_,
                                            pipeline_.seed);
}

void Trainer::create_procedures() {
  procedures_.clear();
  for (const pipeline::Procedure& p : pipeline_.procedures) {
    procedures_.emplace_back(
        registry_->create(registry_->require("procedure", p.id, p.where), p.params));
  }
}

placing::KnownSites Trainer::check_stages(placing::KnownSites known) const {
  return placing::follow_stages(pipeline_, network_->graph.model(), *registry_, steps_per_epoch(),
                                std::move(known));
}

void Trainer::lower() {
  network_->lower(placing::place(pipeline_, network_->graph.model(), *registry_,
                                 {cursor_.epochs, cursor_.steps}));
}

void Trainer::lower_if_due() {
  if (swap_steps_.contains(cursor_.steps)) lower();
}

void Trainer::start_from(const std::filesystem::path& weights, bool takes_state) {
  const data::Arrays arrays = data::read_npz(weights);
  data::ArrayReader reader(arrays, weights.string()), sites(arrays, weights.string());
  network_->load_structure(reader);
  if (takes_state) {
    results::require_site_arrays(reader, arrays);
    network_->sites.recall(sites);
  }
  lower();
  check_stages(placing::known_sites(*network_));
  network_->load_weights(reader);
  loss_ = results::loss_of_file(reader);
  // The averages are for evaluation; training goes on from the last weights.
  const auto first = std::find_if(pipeline_.stages.begin(), pipeline_.stages.end(),
                                  [](const auto& stage) { return stage.type != "calibrate"; });
  const bool trains_first = first != pipeline_.stages.end() && first->type == "train";
  if (takes_state && !trains_first) network::load_shadows(*network_, reader);
  inherits_shadows_ = network::has_shadows(*network_);
  for (const Warning& warning : results::weights_warnings(reader)) warn(warning);
}

void Trainer::drop_inherited_shadows() {
  if (inherits_shadows_) network::drop_shadows(*network_);
  inherits_shadows_ = false;
}

void Trainer::prepare() {
  emit(QLOOM_EVENT_PREPARE);
  finalize_if_due();
}

void Trainer::finalize_if_due() {
  const auto& stages = pipeline_.stages;
  const bool more = std::any_of(stages.begin() + static_cast<std::ptrdiff_t>(cursor_.stage),
                                stages.end(), [](const auto& s) { return s.type == "train"; });
  if (more || cursor_.is_finalized) return;
  cursor_.is_finalized = true;
  emit(QLOOM_EVENT_FINALIZE);
}

void Trainer::run_stages(const std::function<void()>& checkpoint, Progress& progress) {
  checkpoint_ = checkpoint;
  last_checkpoint_ = Clock::now();
  while (cursor_.stage < pipeline_.stages.size()) {
    const pipeline::Stage& stage = pipeline_.stages[static_cast<std::size_t>(cursor_.stage)];
    if (stage.type == "train") drop_inherited_shadows();
    if (cursor_.epoch_of_stage == 0 && cursor_.step_of_epoch == 0) emit(QLOOM_EVENT_STAGE);
    const auto start = Clock::now();
    Json result{{"type", stage.type}};
    if (stage.type == "train") {
      train(stage, progress);
      result["epochs"] = stage.epochs;
      facts_.training_seconds += seconds_since(start);
    } else if (stage.type == "calibrate") {
      result["batches"] = calibrate(stage, progress);
    } else {
      const results::Score score = evaluate(stage, progress);
      facts_.final_score = score;
      result["epoch"] = cursor_.epochs;
      result["accuracy"] = score.accuracy;
      result["loss"] = score.loss;
      result["correct"] = score.correct;
      result["count"] = score.count;
    }
    facts_.stages.push_back(std::move(result));
    ++cursor_.stage;
    cursor_.epoch_of_stage = 0;
    if (stage.type == "train") finalize_if_due();
    facts_.seconds += seconds_since(start);
    keep_and_stop_if_asked();
  }
}

std::uint64_t Trainer::steps_per_epoch() const {
  return static_cast<std::uint64_t>((dataset_.train.count + pipeline_.batch_size - 1) /
                                    pipeline_.batch_size);
}

void Trainer::load_batch(const data::Split& split, const std::int32_t* order, std::int64_t first,
                         std::int64_t n) {
  batch_.resize({n, split.height, split.width, split.channels});
  labels_.resize(static_cast<std::size_t>(n));
  data::make_batch(dataset_, split, pipeline_.normalisation, order, first, n, batch_.data(),
                   labels_.data());
}

std::uint64_t Trainer::calibrate(const pipeline::Stage& stage, Progress& progress) {
  const std::vector<network::SiteQuantizer*> sites = network_->plan.calibrated_sites();
  std::uint32_t passes = 0;
  for (const auto* site : sites) passes = std::max(passes, site->passes());
  const std::uint64_t batches =
      std::min(static_cast<std::uint64_t>(stage.batches), steps_per_epoch());
  order_ = data::shuffled_order(dataset_.train.count, pipeline_.seed, 0);
  progress.begin("calibrate", batches * passes);
  network::Pass pass;
  pass.rules = network::Pass::Rules::kObserve;
  pass.use_shadows = true;
  for (std::uint32_t p = 0; p < passes; ++p) {
    for (auto* site : sites) {
      if (p < site->passes()) site->begin_pass(p);
    }
    for (std::uint64_t i = 0; i < batches; ++i) {
      const auto first = static_cast<std::int64_t>(i) * pipeline_.batch_size;
      load_batch(dataset_.train, order_.data(), first,
                 std::min(pipeline_.batch_size, dataset_.train.count - first));
      network_->plan.forward(batch_, pass);
      stop_if_asked(kStageAnew);
      progress.step(p * batches + i + 1, "");
    }
    for (auto* site : sites) {
      if (p < site->passes()) site->end_pass(p);
    }
  }
  progress.end(fmt::format("{} sites, {} batches, {} passes", sites.size(), batches, passes));
  return batches;
}

results::Score Trainer::evaluate(const pipeline::Stage& stage, Progress& progress) {
  const data::Split& split = dataset_.test;
  const auto all =
      static_cast<std::uint64_t>((split.count + pipeline_.batch_size - 1) / pipeline_.batch_size);
  const std::uint64_t batches =
      stage.batches > 0 ? std::min(all, static_cast<std::uint64_t>(stage.batches)) : all;
  progress.begin("evaluate", batches);
  order_.resize(static_cast<std::size_t>(split.count));
  for (std::size_t i = 0; i < order_.size(); ++i) order_[i] = static_cast<std::int32_t>(i);
  network::Pass pass;
  pass.rules = stage.apply_rules ? network::Pass::Rules::kOn : network::Pass::Rules::kOff;
  pass.use_shadows = true;
  pass.phase.epoch = cursor_.epochs;
  results::Score score;
  for (std::uint64_t i = 0; i < batches; ++i) {
    pass.phase.step = i;
    const auto first = static_cast<std::int64_t>(i) * pipeline_.batch_size;
    const std::int64_t n = std::min(pipeline_.batch_size, split.count - first);
    load_batch(split, order_.data(), first, n);
    const Tensor& logits = network_->plan.forward(batch_, pass);
    stop_if_asked(kStageAnew);
    const layers::Loss loss =
        loss_of(loss_, logits, labels_, n, static_cast<std::int64_t>(logits.size()) / n, nullptr);
    score.loss += loss.sum;
    score.correct += loss.correct;
    score.count += n;
    progress.step(i + 1, "");
  }
  score.loss /= double(score.count);
  score.accuracy = double(score.correct) / double(score.count);
  if (!std::isfinite(score.loss)) {
    throw RunError(fmt::format("evaluation: the loss is {}, first seen in \"{}\"", score.loss,
                               network_->first_non_finite()));
  }
  progress.end(fmt::format("accuracy {:.2f} %, loss {:.4f}", 100.0 * score.accuracy, score.loss));
  return score;
}

void Trainer::remove_norm(std::uint64_t index) {
  const auto norms = network_->plan.norms();
  if (index >= norms.size()) throw RunError(fmt::format("there is no norm {}", index));
  network_->remove_norm(network_->graph.model().find(norms[index]->name));
  lower();
}

void Trainer::retune_norms(std::uint64_t batches) {
  const std::uint64_t all = steps_per_epoch();
  const std::uint64_t count = batches == 0 ? all : std::min(batches, all);
  const auto order = data::shuffled_order(dataset_.train.count, pipeline_.seed, 0);
  if (network::has_shadows(*network_))
    network_->norms.add_shadows();  // the weights keep their statistics
  network::Pass pass;
  pass.norms_train = true;
  pass.use_shadows = true;
  std::int64_t seen = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto first = static_cast<std::int64_t>(i) * pipeline_.batch_size;
    const std::int64_t n = std::min(pipeline_.batch_size, dataset_.train.count - first);
    seen += n;
    pass.norm_momentum = double(n) / double(seen);
    pass.phase.step = i;
    load_batch(dataset_.train, order.data(), first, n);
    network_->plan.forward(batch_, pass);
  }
}

}  // namespace qloom::run
