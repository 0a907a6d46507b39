// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/check/kinds/small_run.hpp"

#include "host/registry/registry.hpp"

namespace qloom::check {
namespace {

template <class List>
auto* at(List& list, std::uint64_t index) {
  return index < list.size() ? &*std::next(list.begin(), static_cast<std::ptrdiff_t>(index))
                             : nullptr;
}

}  // namespace

Parameter* SmallRun::find(std::uint64_t index) { return at(parameters_, index); }

qloom_status SmallRun::tensor(std::uint64_t index, qloom_run_tensor& out) {
  Parameter* const p = find(index);
  if (p == nullptr) return QLOOM_E_INVALID;
  out.role = p->role;
  out.layer = p->layer.c_str();
  out.value = p->value.data();
  out.gradient = is_training_ ? p->gradient.data() : nullptr;
  out.n = p->n;
  out.fan_in = p->fan_in;
  out.shape[0] = static_cast<std::int64_t>(p->rows);
  out.shape[1] = out.shape[2] = 1;
  out.shape[3] = static_cast<std::int64_t>(p->n / p->rows);
  return QLOOM_OK;
}
qloom_status SmallRun::norm(std::uint64_t index, qloom_run_norm& out) const {
  if (index >= norms_.size()) return QLOOM_E_INVALID;
  const NormOfRun& n = norms_[index];
  out.layer = n.layer.c_str();
  out.producer = n.producer.empty() ? nullptr : n.producer.c_str();
  out.channels = n.channels;
  return QLOOM_OK;
}
qloom_status SmallRun::site(std::uint64_t index, qloom_run_site& out) const {
  std::uint64_t number = 0;
  for (const Parameter& p : parameters_) {
    if (p.role != QLOOM_ROLE_WEIGHT || number++ != index) continue;
    out.site = "weight";
    out.layer = p.layer.c_str();
    out.quantizer = "fixed_point";
    out.elements = p.n;
    out.groups = 1;
    out.ranges = nullptr;
    out.encoding = nullptr;
    return QLOOM_OK;
  }
  return QLOOM_E_INVALID;
}
qloom_status SmallRun::norm_inference(std::uint64_t index, float* scale, float* shift) const {
  if (index >= norms_.size()) return QLOOM_E_INVALID;
  for (std::uint64_t c = 0; c < norms_[index].channels; ++c) {
    scale[c] = 0.5F + 0.125F * static_cast<float>(c);
    shift[c] = 0.25F - 0.0625F * static_cast<float>(c);
  }
  return QLOOM_OK;
}
qloom_status SmallRun::remove_norm(std::uint64_t index) {
  if (index >= norms_.size() || norms_[index].producer.empty()) return QLOOM_E_INVALID;
  parameters_.remove_if([&](const Parameter& p) { return p.layer == norms_[index].layer; });
  norms_.erase(norms_.begin() + static_cast<std::ptrdiff_t>(index));
  return QLOOM_OK;
}
qloom_status SmallRun::set_shadow(std::uint64_t index, const float* values) {
  Parameter* const p = at(parameters_, index);
  if (p == nullptr) return QLOOM_E_INVALID;
  p->shadow.clear();
  if (values != nullptr) p->shadow.assign(values, values + p->n);
  return QLOOM_OK;
}
qloom_status SmallRun::logits(const float** values, float** gradient, const std::int32_t** labels) {
  if (!has_logits_) return QLOOM_E_ORDER;
  *values = values_.data();
  *gradient = slopes_.data();
  *labels = labels_.data();
  return QLOOM_OK;
}

std::string SmallRun::emit(Context& context, registry::Instance& instance, std::uint32_t event) {
  const auto& ops = instance.ops<qloom_procedure>();
  if ((ops.caps >> event & 1U) == 0) return {};
  const qloom_event e{sizeof(qloom_event), event, step_, epoch_, 0, 1, "train", 0};
  qloom_error error = registry::empty_error();
  const qloom_status status = context.call("on", [&] {
    return ops.on(instance.self(), reinterpret_cast<qloom_run*>(this), &e, &error);
  });
  return status == QLOOM_OK ? std::string{} : fmt::format("status {}: {}", status, error.message);
}

/// The optimizer's step.
void SmallRun::update() {
  for (Parameter& p : parameters_) {
    p.velocity.resize(p.n, 0.0F);
    for (std::uint64_t i = 0; i < p.n; ++i) {
      const bool is_held = !p.held.empty() && p.held[i] != 0;
      p.velocity[i] = is_held ? 0.0F : p.gradient.data()[i];
      p.value.data()[i] -= rate_ * static_cast<float>(p.rate_factor) * p.velocity[i];
      p.quantized[i] = seen(p.value.data()[i]);
    }
  }
}

std::string SmallRun::epoch(Context& context, registry::Instance& instance) {
  step_ = round_ * kSteps;
  epoch_ = round_;
  std::string refusal;
  const auto send = [&](std::uint32_t event) {
    if (refusal.empty()) refusal = emit(context, instance, event);
  };
  if (round_ == 0) {
    send(QLOOM_EVENT_PREPARE);
  }
  send(QLOOM_EVENT_START);  // each round may follow a resume
  if (round_ == 0) send(QLOOM_EVENT_STAGE);
  is_training_ = true;
  for (std::uint64_t i = 0; i < kSteps; ++i) {
    rate_ = kRate;
    send(QLOOM_EVENT_BEFORE_STEP);
    fill(values_, 2.0F);
    fill(slopes_, 0.1F);
    for (Parameter& p : parameters_) fill(p.gradient, 0.0625F);
    has_logits_ = true;
    send(QLOOM_EVENT_LOSS);
    has_logits_ = false;
    send(QLOOM_EVENT_AFTER_BACKWARD);
    update();
    send(QLOOM_EVENT_AFTER_STEP);
    ++step_;
  }
  is_training_ = false;
  ++epoch_;
  send(QLOOM_EVENT_AFTER_EPOCH);
  if (round_ < kLastRound) return refusal;
  may_go_on_ = true;
  send(QLOOM_EVENT_AFTER_STAGE);
  may_go_on_ = false;
  send(QLOOM_EVENT_FINALIZE);
  send(QLOOM_EVENT_END);
  return refusal;
}

Record SmallRun::take() const {
  Record record;
  for (const Parameter& p : parameters_) {
    const std::string name = fmt::format("{} {}", p.layer, p.role);
    record.push_back({name, std::vector<float>(p.value.data(), p.value.data() + p.n), ""});
    record.push_back(
        {name + ", gradient", std::vector<float>(p.gradient.data(), p.gradient.data() + p.n), ""});
    record.push_back({name + ", shadow", p.shadow, ""});
    record.push_back({name + ", held", p.held, ""});
    record.push_back({name + ", importance", p.importance, ""});
    record.push_back({name + ", control",
                      std::vector<double>{p.rate_factor, p.decay_factor, p.storage_bits}, ""});
  }
  record.push_back({"gradient of the logits",
                    std::vector<float>(slopes_.data(), slopes_.data() + slopes_.size()), ""});
  for (const auto& [key, series] : reports_) record.push_back({"report of " + key, series, ""});
  for (const auto& [key, text] : tables_) {
    record.push_back({"table " + key, std::vector<std::uint8_t>(text.begin(), text.end()), ""});
  }
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    record.push_back({fmt::format("rule {}", i),
                      std::vector<std::uint8_t>(rules_[i].begin(), rules_[i].end()), ""});
  }
  record.push_back({"retunings", std::vector<std::int64_t>{retunings_}, ""});
  return record;
}

}  // namespace qloom::check
