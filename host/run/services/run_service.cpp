// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/run/services/run_service.hpp"

#include <algorithm>
#include <exception>
#include <iterator>

#include <fmt/format.h>

#include "host/json/printable.hpp"
#include "host/json/text.hpp"
#include "host/tensor/error.hpp"
#include "host/tensor/random.hpp"

namespace qloom::run {
namespace {

qloom_status tensor(qloom_run* run, std::uint64_t index, qloom_run_tensor* out) noexcept {
  return guarded([&] {
    const auto parameters = run->state.network->parameters.list();
    if (index >= parameters.size()) return QLOOM_E_INVALID;
    network::Parameter& p = *parameters[index];
    out->role = p.role;
    out->layer = p.layer.c_str();
    out->value = p.value.data();
    out->gradient = run->state.step.phase == Step::Phase::kNone ? nullptr : p.gradient.data();
    out->n = p.value.size();
    out->fan_in = static_cast<std::uint64_t>(p.fan_in);
    for (std::size_t i = 0; i < 4; ++i) {
      out->shape[i] = i < p.value.shape().size() ? p.value.shape()[i] : 1;
    }
    return QLOOM_OK;
  });
}

qloom_status norm(qloom_run* run, std::uint64_t index, qloom_run_norm* out) noexcept {
  return guarded([&] {
    const network::Network& network = *run->state.network;
    const auto norms = network.plan.norms();
    if (index >= norms.size()) return QLOOM_E_INVALID;
    out->layer = norms[index]->layer->name.c_str();
    const int producer = network.graph.producer_of(network.graph.model().find(norms[index]->name));
    out->producer =
        producer < 0
            ? nullptr
            : network.graph.model().layers[static_cast<std::size_t>(producer)].name.c_str();
    out->channels = static_cast<std::uint64_t>(norms[index]->layer->out.channels);
    return QLOOM_OK;
  });
}

qloom_status norm_inference(qloom_run* run, std::uint64_t index, float* scale,
                            float* shift) noexcept {
  return guarded([&] {
    const auto norms = run->state.network->plan.norms();
    if (index >= norms.size()) return QLOOM_E_INVALID;
    std::vector<float> a, b;
    network::Pass pass;
    pass.use_shadows = true;  // as evaluation
    norms[index]->norm->inference(pass, a, b);
    std::copy(a.begin(), a.end(), scale);
    std::copy(b.begin(), b.end(), shift);
    return QLOOM_OK;
  });
}

/// Rules at sites of a norm end with it.
void warn_of_lost_sites(RunState& state, const std::string& norm) {
  for (const auto& [key, spec] : state.network->placement().quantizers) {
    if (key.site->owner != sites::Owner::kNorm || key.layer != norm) continue;
    state.warnings.add(
        {spec.quantizer.where,
         fmt::format("\"{}\" has no effect any more at \"{}\": the norm is folded away",
                     key.site->name, norm)});
  }
}

qloom_status remove_norm(qloom_run* run, std::uint64_t index) noexcept {
  return guarded([&] {
    network::Network& network = *run->state.network;
    const auto norms = network.plan.norms();
    if (index >= norms.size()) throw RunError(fmt::format("there is no norm {}", index));
    warn_of_lost_sites(run->state, norms[index]->name);
    network.remove_norm(network.graph.model().find(norms[index]->name));
    run->setup.lower(network, run->state.done(), run->state.added_rules);
    return QLOOM_OK;
  });
}

qloom_status set_shadow(qloom_run* run, std::uint64_t index, const float* values) noexcept {
  return guarded([&] {
    const auto parameters = run->state.network->parameters.list();
    if (index >= parameters.size()) return QLOOM_E_INVALID;
    network::Parameter& p = *parameters[index];
    drop_inherited_averages(run->state);
    if (values == nullptr) {
      p.shadow = Tensor();
    } else {
      p.shadow.resize(p.value.shape());
      std::copy_n(values, p.shadow.size(), p.shadow.data());
    }
    return QLOOM_OK;
  });
}

qloom_status retune_norms(qloom_run* run, std::uint64_t batches) noexcept {
  return guarded([&] {
    network::Network& network = *run->state.network;
    // Weights with averages keep their statistics.
    if (network::has_shadows(network)) network.norms.add_shadows();
    Walk samples = run->setup.batches.training(0);
    const std::uint64_t count = batches == 0 ? samples.count() : std::min(batches, samples.count());
    network::Pass pass;
    pass.norms_train = true;
    pass.use_shadows = true;
    std::int64_t seen = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
      samples.load(i);
      seen += samples.size();
      pass.norm_momentum = double(samples.size()) / double(seen);
      pass.phase.step = i;
      network.plan.forward(samples.images(), pass);
    }
    return QLOOM_OK;
  });
}

qloom_status logits(qloom_run* run, const float** values, float** gradient,
                    const std::int32_t** labels, std::uint64_t* batch,
                    std::uint64_t* classes) noexcept {
  const Step& step = run->state.step;
  if (step.phase != Step::Phase::kAtLoss) return QLOOM_E_ORDER;
  *values = step.logits;
  *gradient = step.gradient;
  *labels = step.labels;
  *batch = static_cast<std::uint64_t>(step.batch);
  *classes = static_cast<std::uint64_t>(step.classes);
  return QLOOM_OK;
}

qloom_status schedule(qloom_run* run, double* rate, std::uint64_t* steps) noexcept {
  *rate = run->state.cursor.learning_rate;
  *steps = run->setup.batches.per_epoch();
  return QLOOM_OK;
}

qloom_status scale_learning_rate(qloom_run* run, double factor) noexcept {
  run->state.step.rate_factor *= factor;
  return QLOOM_OK;
}

qloom_status report(qloom_run* run, const char* key, double value) noexcept {
  return guarded([&] {
    run->state.facts.custom[json::printable(key)].push_back(value);
    return QLOOM_OK;
  });
}

qloom_status random_uniform(qloom_run* run, const char* stream, float* out,
                            std::uint64_t n) noexcept {
  return guarded([&] {
    const std::uint64_t seed = run->setup.pipeline.seed;
    const std::uint64_t id = stream_id(stream);
    for (std::uint64_t i = 0; i < n; ++i) {
      out[i] = uniform(random_word(seed, id, run->state.cursor.steps, i));
    }
    return QLOOM_OK;
  });
}

qloom_status again(qloom_run* run) noexcept {
  if (run->state.again == RunState::Again::kNoTime) return QLOOM_E_ORDER;
  run->state.again = RunState::Again::kAsked;
  return QLOOM_OK;
}

bool is_text(const Json& cell) { return cell.is_string(); }

/// Empty, or what is wrong with a table of the report.
std::string fault_of(const Json& table) {
  const auto has = [&](const char* key) { return table.is_object() && table.contains(key); };
  if (!has("title") || !has("columns") || !has("rows") || table.size() != 3) {
    return "expected an object of \"title\", \"columns\" and \"rows\"";
  }
  const Json &columns = table["columns"], &rows = table["rows"];
  if (!is_text(table["title"])) return "/title: expected a text";
  if (!columns.is_array() || columns.empty() || !std::ranges::all_of(columns, is_text)) {
    return "/columns: expected a list of texts";
  }
  if (!rows.is_array()) return "/rows: expected a list";
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const bool is_row = rows[i].is_array() && rows[i].size() == columns.size() &&
                        std::ranges::all_of(rows[i], [](const Json& cell) {
                          return cell.is_string() || cell.is_number() || cell.is_null();
                        });
    if (!is_row) {
      return fmt::format("/rows/{}: expected {} texts, numbers or nulls", i, columns.size());
    }
  }
  return "";
}

qloom_status report_table(qloom_run* run, const char* key, const char* text,
                          qloom_error* error) noexcept {
  return guarded(error, [&] {
    const std::string name = json::printable(key);
    Json table = json::parse(text, fmt::format("table \"{}\"", name));
    const std::string fault = fault_of(table);
    if (!fault.empty()) throw RunError(fmt::format("table \"{}\": {}", name, fault));
    run->state.facts.tables[name] = std::move(table);
    return QLOOM_OK;
  });
}

constexpr qloom_run_api kTable{sizeof(qloom_run_api),
                               0,
                               &tensor,
                               &norm,
                               &norm_inference,
                               &remove_norm,
                               &set_shadow,
                               &retune_norms,
                               &logits,
                               &schedule,
                               &scale_learning_rate,
                               &report,
                               &random_uniform,
                               &again,
                               &report_table,
                               &site_of,
                               &add_rule};

/// As docs/abi.md calls it.
const char* event_name(std::uint32_t event) {
  static constexpr const char* kNames[] = {
      "prepare", "before_step", "loss",  "after_backward", "after_step",  "after_epoch",
      "stage",   "finalize",    "start", "exchange",       "after_stage", "end"};
  return event < std::size(kNames) ? kNames[event] : "";
}

}  // namespace

void install_run_service() { registry::set_run_services({&kTable, &tensors_service()}); }

void emit(Services& run, std::uint32_t event) {
  const Cursor& cursor = run.state.cursor;
  const std::vector<pipeline::Stage>& stages = run.setup.pipeline.stages;
  run.state.event = event;
  for (const methods::Procedure& procedure : run.state.procedures) {
    if (!procedure.wants(event)) continue;
    qloom_event e{};
    e.struct_size = sizeof e;
    e.event = event;
    e.step = cursor.steps;
    e.epoch = cursor.epochs;
    e.stage = cursor.stage;
    e.stages = stages.size();
    e.stage_type =
        cursor.stage < e.stages ? stages[static_cast<std::size_t>(cursor.stage)].type->name : "";
    e.round = cursor.round;
    procedure.on(&run, e, event_name(event));
    run.state.lent.clear();
  }
}

}  // namespace qloom::run
