// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A run's checkpoint: one .npz with the network's arrays, the procedures' states
// ("procedure/<index>/<array>") and, as text, configuration, cursor and series
// (checkpoint_text.hpp).
#include <fmt/format.h>

#include "host/data/arrays/array_file.hpp"
#include "host/run/trainer.hpp"
#include "host/tensor/error.hpp"

namespace qloom::run {
namespace {

std::string procedure_key(std::size_t i) { return fmt::format("procedure/{:03}/", i); }

}  // namespace

void Trainer::save(const std::filesystem::path& file) const { data::write_npz(file, state()); }

data::Arrays Trainer::state() const {
  data::Arrays all = network_->save(true);
  std::vector<std::uint32_t> versions;
  for (std::size_t i = 0; i < procedures_.size(); ++i) {
    versions.push_back(procedures_[i].instance().state_version());
    procedures_[i].save(all, procedure_key(i));
  }
  results::add_text({.arrays = results::list_of(all),
                     .configuration = pipeline::configuration(pipeline_, *registry_),
                     .inputs = facts_.inputs,
                     .seed = pipeline_.seed,
                     .cursor = cursor_,
                     .loss = loss_,
                     .inherits_shadows = inherits_shadows_,
                     .sums = sums_,
                     .learning_rate = learning_rate_,
                     .last_pass = network_->plan.last_pass().phase,
                     .series = facts_.series,
                     .stages = facts_.stages,
                     .reloads = facts_.reloads,
                     .warnings = warnings_.list(),
                     .custom = facts_.custom,
                     .tables = facts_.tables,
                     .final_score = facts_.final_score,
                     .procedure_versions = std::move(versions)},
                    all);
  return all;
}

void Trainer::take(const CheckpointText& text, const std::string& file) {
  if (pipeline::current_configuration(text.configuration, *registry_) !=
          pipeline::configuration(pipeline_, *registry_) ||
      text.seed != pipeline_.seed) {
    throw InputError(fmt::format(
        "{}: belongs to another pipeline, model, seed or --set; remove it or leave --resume out",
        file));
  }
  const Cursor& cursor = text.cursor;
  const std::size_t procedures = text.procedure_versions.size();
  if (cursor.stage > pipeline_.stages.size() || procedures != procedures_.size() ||
      cursor.step_of_epoch >= steps_per_epoch()) {
    throw InputError(
        fmt::format("{}: \"@meta\" is damaged: stage {} of {}, {} of {} procedures, "
                    "step {} of {}",
                    file, cursor.stage, pipeline_.stages.size(), procedures, procedures_.size(),
                    cursor.step_of_epoch, steps_per_epoch()));
  }
  cursor_ = cursor;
  loss_ = text.loss;
  inherits_shadows_ = text.inherits_shadows;
  sums_ = text.sums;
  learning_rate_ = text.learning_rate;
  network_->plan.set_last_phase(text.last_pass);
  facts_.series = text.series;
  facts_.stages = text.stages;
  facts_.reloads = text.reloads;
  warnings_.restore(text.warnings);
  facts_.tables = text.tables;
  facts_.custom = text.custom;
  if (text.final_score) facts_.final_score = text.final_score;
}

void Trainer::load(const std::filesystem::path& file) {
  restore(data::read_npz(file), file.string());
}

void Trainer::restore(const data::Arrays& all, const std::string& where) {
  data::ArrayReader reader(all, where);
  const CheckpointText text = results::read_checkpoint_text(reader, all);
  take(text, where);
  network_->load_structure(reader);
  data::ArrayReader sites(all, where);
  network_->sites.recall(sites);
  lower();
  network_->load_everything(reader);
  for (std::size_t i = 0; i < procedures_.size(); ++i) {
    procedures_[i].instance().load(reader, procedure_key(i), text.procedure_versions[i]);
  }
  if (const auto unread = reader.unread(); !unread.empty()) {
    throw InputError(fmt::format("{} belongs to nothing in this run, expected no such array{}",
                                 reader.where(unread[0]), reader.nearest_read(unread[0])));
  }
}

}  // namespace qloom::run
