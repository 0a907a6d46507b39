// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/run/setup.hpp"

#include <utility>

#include <fmt/format.h>

#include "host/run/settings/agreement.hpp"
#include "host/run/settings/behind_relu.hpp"
#include "host/run/settings/norm_settings.hpp"
#include "host/run/settings/settings.hpp"
#include "host/tensor/error.hpp"

namespace qloom::run {
namespace {

network::Model model_of(const pipeline::Pipeline& p, const data::Dataset& d) {
  return network::parse_model(p.model, p.model_where,
                              {d.train.height, d.train.width, d.train.channels}, d.classes);
}

data::Dataset load_data(const pipeline::Pipeline& p) try {
  return data::load(p.source);
} catch (const InputError& error) {
  throw InputError(fmt::format("{}: /data: {}", p.file.string(), error.what()));
}

}  // namespace

void collect_methods(const sites::Placement& placement, const registry::Registry& registry,
                     std::set<const registry::Method*>& methods) {
  const auto add = [&](const methods::MethodSpec& spec) {
    if (spec.method != nullptr) methods::add_methods(registry, spec, methods);
  };
  for (const auto& [key, spec] : placement.quantizers) {
    for (const auto* part : {&spec.quantizer, &spec.range, &spec.rounding, &spec.requantizer}) {
      add(*part);
    }
  }
  for (const auto& [key, spec] : placement.accumulators) {
    for (const auto* part : {&spec.accumulator, &spec.rounding}) add(*part);
  }
  for (const auto& [layer, spec] : placement.norms) add(spec);
}

Setup::Setup(pipeline::Pipeline described, const registry::Registry& known,
             results::Warnings& warnings)
    : pipeline(std::move(described)),
      registry(known),
      batches{load_data(pipeline), pipeline.normalisation, pipeline.batch_size, pipeline.seed},
      model(model_of(pipeline, batches.dataset)) {
  check_methods(pipeline, model, batches.dataset, registry, warnings);
  // Rules that only act later are checked now, before any work.
  network::Network planned(model, registry, pipeline.seed);
  planned.parameters.plan_only();
  NormSettings norms(pipeline, batches.dataset.train.count, registry);
  std::vector<Calibration> calibrations;
  for (const placing::Moment moment : placing::changes(pipeline, batches.per_epoch())) {
    lower(planned, moment, {});
    collect_methods(planned.placement(), registry, methods_);
    norms.see(planned, warnings);
    check_behind_relu(planned, registry, warnings);
    check_agreement(pipeline, planned.placement(), registry, warnings);
    calibrations.push_back({moment, !planned.plan.calibrated_sites().empty()});
    if (moment.steps > 0) swap_steps_.insert(moment.steps);
  }
  norms.finish();
  check_lengths(pipeline, batches.dataset, calibrations, registry, warnings);
  if (pipeline.start_from.empty() && pipeline.weights.empty()) check_stages({}, model);
  static_cast<void>(new_procedures());  // refuses what a procedure refuses
  for (const pipeline::Procedure& p : pipeline.procedures) {
    methods::add_methods(registry, spec_of(p), methods_);
  }
}

placing::KnownSites Setup::check_stages(placing::KnownSites known,
                                        const network::Model& begun) const {
  return placing::follow_stages(pipeline, begun, registry, batches.per_epoch(), std::move(known));
}

std::unique_ptr<network::Network> Setup::new_network() const {
  sites::TrainingLength length;
  for (const pipeline::Stage& stage : pipeline.stages) {
    if (stage.type->trains) length.epochs += static_cast<std::uint64_t>(stage.epochs);
  }
  length.steps = length.epochs * batches.per_epoch();
  return std::make_unique<network::Network>(model, registry, pipeline.seed, length);
}

methods::MethodSpec Setup::spec_of(const pipeline::Procedure& procedure) const {
  return {&registry.require("procedure", procedure.id, procedure.where), procedure.params,
          procedure.where};
}

std::vector<methods::Procedure> Setup::new_procedures() const {
  std::vector<methods::Procedure> procedures;
  for (const pipeline::Procedure& p : pipeline.procedures) {
    procedures.emplace_back(methods::create(registry, spec_of(p)));
  }
  return procedures;
}

std::string Setup::reported_loss(const pipeline::Stage& stage) const {
  std::string loss = stage.loss;
  for (const pipeline::Procedure& p : pipeline.procedures) {
    loss = registry.require("procedure", p.id, p.where).manifest.value("loss", loss);
  }
  return loss;
}

void Setup::lower(network::Network& network, placing::Moment done,
                  std::span<const pipeline::Rule> added) const {
  network.lower(placing::place(pipeline, network.graph.model(), registry, done, added));
}

void Setup::lower_if_due(network::Network& network, placing::Moment done,
                         std::span<const pipeline::Rule> added) const {
  if (swap_steps_.contains(done.steps)) lower(network, done, added);
}

}  // namespace qloom::run
