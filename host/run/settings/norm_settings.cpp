// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/run/settings/norm_settings.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "host/json/names.hpp"
#include "host/tensor/error.hpp"

namespace qloom::run {
namespace {

using network::NormLayer;
using SlotNames = std::set<std::string>;

qloom_status note_slot(void* self, const char* slot, const float* x, float* y,
                       std::uint64_t n) noexcept {
  try {
    static_cast<SlotNames*>(self)->insert(slot);
  } catch (const std::exception&) {
    return QLOOM_E_NO_MEMORY;
  }
  if (y != x) std::copy_n(x, n, y);
  return QLOOM_OK;
}

/// Internals that the method hands to quantizers in its inference form.
SlotNames slots_of(NormLayer& probe, std::int64_t channels) {
  SlotNames slots;
  qloom_norm_call call =
      methods::norm_call(QLOOM_MODE_EVALUATE, 0, static_cast<std::uint64_t>(channels));
  call.slots = {&slots, &note_slot};
  const std::vector<float> ones(static_cast<std::size_t>(channels), 1.0F);
  if (probe.has_affine) call.gamma = call.beta = ones.data();
  std::vector<float> scale, shift;
  probe.method.inference(call, scale, shift);
  return slots;
}

/// Output of a batch whose values are all `value`.
Tensor output_of(NormLayer& probe, Tensor& x, float value, std::int64_t channels) {
  network::Pass pass;
  pass.norms_train = true;
  x.fill(value);
  probe.start(x, pass);
  Tensor y(x.shape());
  probe.apply(0, x.size() / static_cast<std::size_t>(channels), x.data(), y.data());
  return y;
}

bool is_norm_rule(const pipeline::Rule& rule) {
  return std::any_of(rule.site_names.begin(), rule.site_names.end(),
                     [](const auto& site) { return site.name == "norm"; });
}

}  // namespace

NormSettings::NormSettings(const pipeline::Pipeline& pipeline, std::int64_t samples,
                           const registry::Registry& registry)
    : pipeline_(&pipeline), registry_(&registry), slots_(pipeline.rules.size()) {
  const bool trains = std::any_of(pipeline.stages.begin(), pipeline.stages.end(),
                                  [](const auto& stage) { return stage.type->trains; });
  const std::int64_t rest = samples % pipeline.batch_size;
  if (trains) least_ = rest != 0 ? rest : pipeline.batch_size;
}

void NormSettings::see(network::Network& network, results::Warnings& warnings) {
  for (const network::Node* node : network.plan.norms()) {
    check_batch(*node, warnings);
    NormLayer probe(*registry_, node->norm->spec, *node->layer, node->norm->fan_in);
    const SlotNames slots = slots_of(probe, node->layer->out.channels);
    const pipeline::NamedLayer named{node->layer->name, node->layer->type->name};
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      if (!pipeline::matches_layer(pipeline_->rules[i], named)) continue;
      slots_[i].insert(slots.begin(), slots.end());
    }
  }
}

void NormSettings::check_batch(const network::Node& node, results::Warnings& warnings) const {
  constexpr std::int64_t kFewValues = 16;  // with more the probe would cost memory for nothing
  const network::SampleShape& shape = node.layer->out;
  const std::int64_t values = least_ * shape.height * shape.width;
  if (least_ == 0 || values > kFewValues) return;
  const sites::MethodSpec& spec = node.norm->spec;
  const std::string batch =
      fmt::format("the smallest batch of an epoch has {} value{} per channel of \"{}\"", values,
                  values == 1 ? "" : "s", node.layer->name);
  NormLayer probe(*registry_, spec, *node.layer, node.norm->fan_in);
  Tensor x({least_, shape.height, shape.width, shape.channels});
  try {
    const Tensor zero = output_of(probe, x, 0.0F, shape.channels);
    const Tensor one = output_of(probe, x, 1.0F, shape.channels);
    if (values > 1 || !std::equal(zero.begin(), zero.end(), one.begin())) return;
  } catch (const RunError& error) {
    throw InputError(fmt::format("{}: {}, which \"{}\" refuses: {}", spec.where, batch,
                                 spec.method->id, error.what()));
  }
  warnings.add({spec.where, fmt::format("{}: there \"{}\" gives the same output for every input",
                                        batch, spec.method->id)});
}

void NormSettings::finish() const {
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    const pipeline::Rule& rule = pipeline_->rules[i];
    if (!is_norm_rule(rule) || (rule.slot ? slots_[i].contains(*rule.slot) : !slots_[i].empty())) {
      continue;
    }
    throw InputError(fmt::format(
        "{}: no norm of the layers that the rule names has {}{}",
        rule.where + (rule.slot ? "/slot" : "/site"),
        rule.slot ? "the internal \"" + *rule.slot + '"' : "internals",
        json::nearest_or_known(rule.slot.value_or(""), {slots_[i].begin(), slots_[i].end()})));
  }
}

}  // namespace qloom::run
