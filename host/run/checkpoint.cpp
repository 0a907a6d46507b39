// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A run's checkpoint: one .npz with the network's arrays, the procedures' states
// ("procedure/<index>/<array>") and, as text, configuration, cursor and series
// (checkpoint_text.hpp).
#include <fmt/format.h>

#include "host/data/arrays/array_file.hpp"
#include "host/run/state.hpp"
#include "host/tensor/error.hpp"

namespace qloom::run {
namespace {

using results::CheckpointText;

std::string procedure_key(std::size_t i) { return fmt::format("procedure/{:03}/", i); }

/// InputError unless the text is of this run and possible in it.
void require_own(const Setup& setup, const CheckpointText& text, const std::string& file) {
  const pipeline::Pipeline& pipeline = setup.pipeline;
  if (pipeline::current_configuration(text.configuration, setup.registry) !=
          pipeline::configuration(pipeline, setup.registry) ||
      text.seed != pipeline.seed) {
    throw InputError(fmt::format(
        "{}: belongs to another pipeline, model, seed or --set; remove it or leave --resume out",
        file));
  }
  const Cursor& cursor = text.cursor;
  const std::size_t procedures = text.procedure_versions.size();
  if (cursor.stage > pipeline.stages.size() || procedures != pipeline.procedures.size() ||
      cursor.step_of_epoch >= setup.batches.per_epoch()) {
    throw InputError(
        fmt::format("{}: \"@meta\" is damaged: stage {} of {}, {} of {} procedures, "
                    "step {} of {}",
                    file, cursor.stage, pipeline.stages.size(), procedures,
                    pipeline.procedures.size(), cursor.step_of_epoch, setup.batches.per_epoch()));
  }
}

void take(const CheckpointText& text, RunState& state) {
  state.cursor = text.cursor;
  state.network->plan.set_last_phase(text.last_pass);
  state.facts.series = text.series;
  state.facts.stages = text.stages;
  state.facts.reloads = text.reloads;
  state.warnings.restore(text.warnings);
  state.facts.tables = text.tables;
  state.facts.custom = text.custom;
  state.facts.formats_of_training = text.formats_of_training;
  if (text.final_score) state.facts.final_score = text.final_score;
}

/// Those that procedures added, with the methods that each brought in.
void take_rules(const Setup& setup, RunState& state, const Json& rules, const std::string& where) {
  state.facts.added_rules = rules;
  state.added_rules.clear();
  for (std::size_t i = 0; i < rules.size(); ++i) {
    const Json& added = rules[i];
    state.added_rules.push_back(pipeline::added_rule(
        added["rule"], fmt::format("{}: added rule {}", where, i), setup.registry));
    const sites::Placement placement =
        placing::place(setup.pipeline, state.network->graph.model(), setup.registry,
                       {added["epoch"], added["step"]}, state.added_rules);
    collect_methods(placement, setup.registry, state.facts.methods);
  }
}

}  // namespace

data::Arrays arrays_of(const Setup& setup, const RunState& state) {
  data::Arrays all = state.network->save(true);
  std::vector<std::uint32_t> versions;
  for (std::size_t i = 0; i < state.procedures.size(); ++i) {
    versions.push_back(state.procedures[i].instance().state_version());
    state.procedures[i].save(all, procedure_key(i));
  }
  const results::RunFacts& facts = state.facts;
  results::add_text({.arrays = results::list_of(all),
                     .configuration = pipeline::configuration(setup.pipeline, setup.registry),
                     .inputs = facts.inputs,
                     .seed = setup.pipeline.seed,
                     .cursor = state.cursor,
                     .last_pass = state.network->plan.last_pass().phase,
                     .series = facts.series,
                     .stages = facts.stages,
                     .reloads = facts.reloads,
                     .warnings = state.warnings.list(),
                     .added_rules = facts.added_rules,
                     .custom = facts.custom,
                     .tables = facts.tables,
                     .formats_of_training = facts.formats_of_training,
                     .final_score = facts.final_score,
                     .procedure_versions = std::move(versions)},
                    all);
  return all;
}

void restore(const Setup& setup, RunState& state, const data::Arrays& arrays,
             const std::string& where) {
  data::ArrayReader reader(arrays, where);
  const CheckpointText text = results::read_checkpoint_text(reader, arrays);
  require_own(setup, text, where);
  take(text, state);
  network::Network& network = *state.network;
  network.load_structure(reader);
  data::ArrayReader sites(arrays, where);
  network.sites.recall(sites);
  take_rules(setup, state, text.added_rules, where);
  setup.lower(network, state.done(), state.added_rules);
  network.load_everything(reader);
  for (std::size_t i = 0; i < state.procedures.size(); ++i) {
    state.procedures[i].instance().load(reader, procedure_key(i), text.procedure_versions[i]);
  }
  if (const auto unread = reader.unread(); !unread.empty()) {
    throw InputError(fmt::format("{} belongs to nothing in this run, expected no such array{}",
                                 reader.where(unread[0]), reader.nearest_read(unread[0])));
  }
}

}  // namespace qloom::run
