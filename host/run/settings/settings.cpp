// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/run/settings/settings.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "host/methods/procedure.hpp"
#include "host/placing/candidates.hpp"
#include "host/registry/inner.hpp"

namespace qloom::run {
namespace {

using json::Json;

/// How much training there is.
struct Length {
  std::uint64_t epochs = 0, steps_per_epoch = 0;
  bool goes_on = false;  ///< a stage follows the last training
  [[nodiscard]] std::uint64_t steps() const { return epochs * steps_per_epoch; }
};

std::uint64_t batches_of(std::int64_t samples, std::int64_t batch_size) {
  return static_cast<std::uint64_t>((samples + batch_size - 1) / batch_size);
}

Length length_of(const pipeline::Pipeline& p, const data::Dataset& d) {
  Length length;
  length.steps_per_epoch = batches_of(d.train.count, p.batch_size);
  for (const pipeline::Stage& stage : p.stages) {
    length.goes_on = !stage.type->trains;
    if (stage.type->trains) length.epochs += static_cast<std::uint64_t>(stage.epochs);
  }
  return length;
}

/// Does it act in no pass but those of training?
bool acts_in_training_alone(const pipeline::Rule& rule) {
  if (rule.body.value("when", "") == "training") return true;
  return !rule.sites.empty() && std::ranges::all_of(rule.sites, [](const std::string& site) {
    return sites::find(site)->is_of_training();
  });
}

void check_starts(const pipeline::Pipeline& p, const Length& length, results::Warnings& warnings) {
  for (const pipeline::Rule& rule : p.rules) {
    const std::uint64_t start = placing::start_of(rule, length.steps_per_epoch);
    if (start == 0) continue;
    const bool acts = length.goes_on && !acts_in_training_alone(rule) ? start <= length.steps()
                                                                      : start < length.steps();
    if (acts) continue;
    warnings.add({rule.where + "/from",
                  fmt::format("the rule never acts: it begins after step {}, and training ends "
                              "after step {} (epoch {})",
                              start, length.steps(), length.epochs)});
  }
}

/// Warns of one epoch that a method's parameter names: the pointer leads to it, "*" to every item.
void check_epoch(const Json& params, const std::string& pointer, const std::string& where,
                 std::uint64_t epochs, results::Warnings& warnings) {
  if (const std::size_t star = pointer.find("/*"); star != std::string::npos) {
    const Json::json_pointer list(pointer.substr(0, star));
    const std::size_t count = params.contains(list) ? params.at(list).size() : 0;
    for (std::size_t i = 0; i < count; ++i) {
      check_epoch(params, fmt::format("{}/{}{}", list.to_string(), i, pointer.substr(star + 2)),
                  where, epochs, warnings);
    }
    return;
  }
  const Json::json_pointer place(pointer);
  if (!params.contains(place) || !params.at(place).is_number_integer()) return;
  const Json& epoch = params.at(place);
  if (epoch < epochs) return;
  warnings.add({where + pointer, fmt::format("{} has no effect: training ends after epoch {}",
                                             epoch.dump(), epochs)});
}

/// The parameters that a manifest's "epochs" names, of the method and of those inside it.
void check_epochs(const registry::Registry& registry, const registry::Method& method,
                  const Json& params, const std::string& where, const Length& length,
                  results::Warnings& warnings) {
  const auto check = [&](const registry::Method& of, const Json& own, const std::string& at) {
    for (const Json& pointer : of.manifest.value("epochs", Json::array())) {
      check_epoch(own, pointer.get<std::string>(), where + at, length.epochs, warnings);
    }
  };
  check(method, params, "");
  registry::for_each_inner(registry, method, params, check);
}

void check_method_epochs(const pipeline::Pipeline& p, const registry::Registry& registry,
                         const Length& length, results::Warnings& warnings) {
  if (length.epochs == 0) return;
  for (const pipeline::Rule& rule : p.rules) {
    for (const auto& [kind, object] : rule.body.items()) {
      if (!object.is_object() || !object.contains("plugin")) continue;
      const std::string where = fmt::format("{}/{}", rule.where, kind);
      check_epochs(registry, registry.require(kind, object["plugin"].get<std::string>(), where),
                   object, where, length, warnings);
    }
  }
  for (const pipeline::Procedure& procedure : p.procedures) {
    check_epochs(registry, registry.require("procedure", procedure.id, procedure.where),
                 procedure.params, procedure.where, length, warnings);
  }
}

/// Is there a procedure that may ask for more rounds of a train stage? Training is then longer than
/// the stages say.
bool may_add_rounds(const pipeline::Pipeline& p, const registry::Registry& registry) {
  return std::ranges::any_of(p.procedures, [&](const pipeline::Procedure& procedure) {
    return registry.require("procedure", procedure.id, procedure.where)
        .manifest.contains("train_stages");
  });
}

/// The parameters that a manifest's "train_stages" names. InputError where no such stage is there.
void check_train_stages(const pipeline::Pipeline& p, const registry::Registry& registry) {
  std::string places;
  for (std::size_t i = 0; i < p.stages.size(); ++i) {
    if (p.stages[i].type->trains) places += fmt::format("{}{}", places.empty() ? "" : ", ", i);
  }
  for (const pipeline::Procedure& procedure : p.procedures) {
    const Json& manifest = registry.require("procedure", procedure.id, procedure.where).manifest;
    for (const Json& pointer : manifest.value("train_stages", Json::array())) {
      const std::string where = pointer.get<std::string>();
      const Json::json_pointer at(where);
      if (!procedure.params.contains(at)) continue;
      const auto stage = procedure.params.at(at).get<std::uint64_t>();
      if (stage < p.stages.size() && p.stages[stage].type->trains) continue;
      throw InputError(fmt::format("{}{}: {}, expected the place of a train stage{}{}",
                                   procedure.where, where, stage,
                                   places.empty() ? ", there is none" : ": ", places));
    }
  }
}

void check_batches(const pipeline::Pipeline& p, const data::Dataset& d,
                   results::Warnings& warnings) {
  for (const pipeline::Stage& stage : p.stages) {
    if (stage.type->trains) continue;
    const bool is_training_set = stage.type->samples == pipeline::StageType::Samples::kTraining;
    const std::uint64_t all = batches_of((is_training_set ? d.train : d.test).count, p.batch_size);
    if (static_cast<std::uint64_t>(stage.batches) <= all) continue;
    warnings.add({fmt::format("{}/{}/batches", stage.where, stage.type->name),
                  fmt::format("{} is more than the {} batches of the {} set; {} are used",
                              stage.batches, all, is_training_set ? "training" : "test", all)});
  }
}

void check_schedules(const pipeline::Pipeline& p, const Length& length,
                     results::Warnings& warnings) {
  for (const pipeline::Stage& stage : p.stages) {
    if (!stage.type->trains) continue;
    const std::string where = fmt::format("{}/{}/schedule", stage.where, stage.type->name);
    for (std::size_t i = 0; i < stage.schedule.epochs.size(); ++i) {
      if (stage.schedule.epochs[i] < stage.epochs) continue;
      warnings.add({fmt::format("{}/epochs/{}", where, i),
                    fmt::format("{} has no effect: the stage ends after epoch {}",
                                stage.schedule.epochs[i], stage.epochs)});
    }
    const auto steps = static_cast<std::int64_t>(length.steps_per_epoch) * stage.epochs;
    if (stage.schedule.warmup_steps <= steps) continue;
    warnings.add({where + "/warmup_steps",
                  fmt::format("{} is more than the {} steps of the stage: the learning rate is "
                              "never reached",
                              stage.schedule.warmup_steps, steps)});
  }
}

void check_use(const pipeline::Pipeline& p, results::Warnings& warnings) {
  bool trains = false, applies = false;
  for (const pipeline::Stage& stage : p.stages) {
    trains |= stage.type->trains && stage.apply_rules;
    applies |= stage.apply_rules;
  }
  for (const pipeline::Rule& rule : p.rules) {
    if (!applies) warnings.add({rule.where, "no stage applies the rules"});
    std::vector<std::string> idle;
    for (const pipeline::Written& site : rule.site_names) {
      if (sites::find(site.name)->is_of_training()) idle.push_back(site.name);
    }
    if (trains || !applies) continue;
    if (rule.where.starts_with(p.file.string()) && rule.body.value("when", "") == "training") {
      warnings.add({rule.where + "/when",
                    "the rule never acts: \"training\", and no stage trains with the rules"});
    }
    if (idle.empty()) continue;
    warnings.add({rule.where + "/site",
                  fmt::format("\"{}\" has no effect: it is of training, and no stage trains with "
                              "the rules",
                              fmt::join(idle, "\", \""))});
  }
}

void check_calibrations(const pipeline::Pipeline& p, const Length& length,
                        const std::vector<Calibration>& calibrations, results::Warnings& warnings) {
  std::uint64_t steps = 0;
  for (const pipeline::Stage& stage : p.stages) {
    if (stage.type->trains) {
      steps += static_cast<std::uint64_t>(stage.epochs) * length.steps_per_epoch;
    }
    if (!stage.type->calibrates()) continue;
    bool is_wanted = false;
    for (const Calibration& c : calibrations) {
      if (c.from.steps <= steps) is_wanted = c.is_wanted;
    }
    if (is_wanted) continue;
    warnings.add({fmt::format("{}/{}", stage.where, stage.type->name),
                  "no site has anything to calibrate: the stage has no "
                  "effect"});
  }
}

bool rounds(const registry::Instance& instance) {
  return instance.method().kind == "quantizer"
             ? (instance.ops<qloom_quantizer>().caps & QLOOM_QUANTIZER_USES_ROUNDING) != 0
             : (instance.ops<qloom_accumulator>().caps & QLOOM_ACCUMULATOR_USES_ROUNDING) != 0;
}

void check_rounding(const pipeline::Rule& rule, const registry::Registry& registry,
                    results::Warnings& warnings) {
  if (!rule.body.contains("rounding")) return;
  for (const char* kind : {"quantizer", "accumulator"}) {
    if (!rule.body.contains(kind) || rule.body[kind].is_null()) continue;
    const methods::MethodSpec spec = methods::spec_of(registry, kind, rule.body[kind]);
    if (rounds(methods::create(registry, spec))) continue;
    warnings.add(
        {rule.where + "/rounding",
         fmt::format("\"{}\" has no effect: {} \"{}\" does not round with these "
                     "parameters",
                     rule.body["rounding"]["plugin"].get<std::string>(), kind, spec.method->id)});
  }
}

/// Of a rule that the pipeline has written: a recipe's is for any model.
void check_pad(const pipeline::Rule& rule, const std::vector<placing::Candidate>& layers,
               results::Warnings& warnings) {
  if (rule.body.value("pad", 0.0) == 0) return;
  for (const placing::Candidate& c : layers) {
    if (!c.layer->is_contraction() || !pipeline::matches_layer(rule, c.names)) continue;
    if (c.layer->type->contraction(*c.layer, 1).pads()) return;
  }
  warnings.add({rule.where + "/pad", fmt::format("{} has no effect: no layer of the rule pads",
                                                 rule.body["pad"].dump())});
}

/// Keys with a default, which count only where they are written.
void check_data_and_model(const pipeline::Pipeline& p, const network::Model& model,
                          const data::Dataset& dataset, results::Warnings& warnings) {
  const std::string file = p.file.string();
  if (p.as_written["data"].contains("normalisation") && dataset.train.bytes.empty()) {
    warnings.add({file + ": /data/normalisation",
                  fmt::format("{} has no effect: the images are float32, which are used as they "
                              "are",
                              p.as_written["data"]["normalisation"].dump())});
  }
  const bool has_norms = std::any_of(model.layers.begin(), model.layers.end(),
                                     [](const network::Layer& layer) { return layer.is_norm(); });
  if (!p.as_written.contains("norm") || has_norms) return;
  warnings.add({file + ": /norm", fmt::format("{} has no effect: the model has no norm layer",
                                              p.as_written["norm"]["plugin"].dump())});
}

constexpr std::uint32_t kStepEvents = 1U << QLOOM_EVENT_BEFORE_STEP | 1U << QLOOM_EVENT_LOSS |
                                      1U << QLOOM_EVENT_AFTER_BACKWARD |
                                      1U << QLOOM_EVENT_AFTER_STEP | 1U << QLOOM_EVENT_AFTER_EPOCH;

}  // namespace

void check_lengths(const pipeline::Pipeline& pipeline, const data::Dataset& dataset,
                   const std::vector<Calibration>& calibrations, const registry::Registry& registry,
                   results::Warnings& warnings) {
  const Length length = length_of(pipeline, dataset);
  if (!may_add_rounds(pipeline, registry)) {
    check_starts(pipeline, length, warnings);
    check_method_epochs(pipeline, registry, length, warnings);
  }
  check_train_stages(pipeline, registry);
  check_batches(pipeline, dataset, warnings);
  check_schedules(pipeline, length, warnings);
  check_use(pipeline, warnings);
  check_calibrations(pipeline, length, calibrations, warnings);
}

void check_methods(const pipeline::Pipeline& pipeline, const network::Model& model,
                   const data::Dataset& dataset, const registry::Registry& registry,
                   results::Warnings& warnings) {
  check_data_and_model(pipeline, model, dataset, warnings);
  for (const Warning& warning : pipeline.notes.warnings) warnings.add(warning);
  const std::vector<placing::Candidate> layers = placing::candidates(pipeline, model);
  for (const pipeline::Rule& rule : pipeline.rules) {
    check_rounding(rule, registry, warnings);
    if (rule.where.starts_with(pipeline.file.string())) check_pad(rule, layers, warnings);
  }
  const bool trains = std::any_of(pipeline.stages.begin(), pipeline.stages.end(),
                                  [](const auto& stage) { return stage.type->trains; });
  for (const pipeline::Procedure& p : pipeline.procedures) {
    if (trains) break;
    const methods::Procedure procedure(
        registry.create(registry.require("procedure", p.id, p.where), p.params));
    if ((procedure.events() & kStepEvents) == 0) continue;
    warnings.add({p.where, fmt::format("\"{}\" acts in training, and no stage trains", p.id)});
  }
}

}  // namespace qloom::run
