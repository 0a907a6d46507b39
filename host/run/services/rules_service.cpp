// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The part of "qloom.run/1" by which procedures see the quantizers of a run and change its methods:
// in the only language that there is for it, rules.
#include <algorithm>
#include <functional>
#include <iterator>
#include <numeric>

#include <fmt/format.h>

#include "host/json/text.hpp"
#include "host/results/reuse/inputs.hpp"
#include "host/run/services/run_service.hpp"
#include "host/run/settings/agreement.hpp"
#include "host/tensor/error.hpp"

namespace qloom::run {
namespace {

/// RunError for an activation of which evaluation would know nothing: no stage is left that sees
/// training data with the rules on.
void require_known(const Setup& setup, const RunState& state) {
  const auto& stages = setup.pipeline.stages;
  const auto left = stages.begin() + static_cast<std::ptrdiff_t>(
                                         std::min<std::size_t>(state.cursor.stage, stages.size()));
  const bool is_over = state.event == QLOOM_EVENT_AFTER_STAGE;
  const bool learns =
      std::any_of(is_over && left != stages.end() ? std::next(left) : left, stages.end(),
                  [](const pipeline::Stage& stage) {
                    return stage.apply_rules &&
                           stage.type->activations == pipeline::StageType::Activations::kLearns;
                  });
  if (learns) return;
  for (const auto& [key, site] : state.network->sites.all()) {
    if (!sites::tracks_range(*key.site, site->spec()) || site->is_known()) continue;
    throw RunError(fmt::format(
        "nothing is known of \"{}\" and no stage is left that would see training data; expected "
        "a calibrate stage or training behind the rule",
        key.text()));
  }
}

/// The network under the pipeline's rules and these; as before where that fails.
void lower_with(qloom_run* run, std::vector<pipeline::Rule> rules) {
  RunState& state = run->state;
  network::Network& network = *state.network;
  std::swap(state.added_rules, rules);
  try {
    run->setup.lower(network, state.done(), state.added_rules);
    require_known(run->setup, state);
  } catch (const std::exception&) {
    std::swap(state.added_rules, rules);
    run->setup.lower(network, state.done(), state.added_rules);
    throw;
  }
}

}  // namespace

qloom_status site_of(qloom_run* run, std::uint64_t index, qloom_run_site* out) noexcept {
  return guarded([&] {
    const auto& all = run->state.network->sites.all();
    if (index >= all.size()) return QLOOM_E_INVALID;
    const auto& [key, site] = *std::next(all.begin(), static_cast<std::ptrdiff_t>(index));
    const qloom_encoding encoding = site->encoding();
    const bool has_encoding = encoding.kind != QLOOM_ENCODING_NONE;
    const std::vector<qloom_range>& ranges = site->ranges();
    const Shape& shape = site->shape();
    out->site = key.site->name;
    out->layer = key.layer.c_str();
    out->quantizer = site->spec().quantizer.method->id.c_str();
    out->elements = 0;
    if (!shape.empty()) {
      const std::size_t sample = site->context().has_batch_axis ? 1 : 0;
      out->elements = std::accumulate(shape.begin() + static_cast<std::ptrdiff_t>(sample),
                                      shape.end(), std::uint64_t{1}, std::multiplies<>());
    }
    out->groups = ranges.empty() ? encoding.groups : ranges.size();
    out->ranges = ranges.empty() ? nullptr : ranges.data();
    out->encoding = has_encoding ? &run->state.lent.emplace_back(encoding) : nullptr;
    return QLOOM_OK;
  });
}

qloom_status add_rule(qloom_run* run, const char* text, qloom_error* error) noexcept {
  RunState& state = run->state;
  if (state.event == QLOOM_EVENT_LOSS || state.event == QLOOM_EVENT_AFTER_BACKWARD) {
    return QLOOM_E_ORDER;
  }
  return guarded(error, [&] {
    const std::string name = fmt::format("rule {} of a procedure", state.added_rules.size());
    const Json written = json::parse(text, name);
    std::vector<pipeline::Rule> rules = state.added_rules;
    rules.push_back(pipeline::added_rule(written, name, run->setup.registry));
    lower_with(run, std::move(rules));
    results::RunFacts& facts = state.facts;
    const sites::Placement& placement = state.network->placement();
    facts.added_rules.push_back(
        {{"epoch", state.cursor.epochs}, {"step", state.cursor.steps}, {"rule", written}});
    collect_methods(placement, run->setup.registry, facts.methods);
    results::add_plugins(facts.inputs, facts.methods);
    for (const Warning& warning : state.added_rules.back().notes.warnings) {
      state.warnings.add(warning);
    }
    check_agreement(run->setup.pipeline, placement, run->setup.registry, state.warnings);
    return QLOOM_OK;
  });
}

}  // namespace qloom::run
