// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A procedure called as the host calls it, on a run small enough to be written down: two dense
// layers, each with a norm, whose gradients are a function of the seed. What the procedure may
// write to lies beside forbidden pages.
#include <algorithm>
#include <cmath>
#include <list>
#include <map>

#include "host/check/kinds/record.hpp"
#include "host/check/watch/guarded.hpp"
#include "host/registry/registry.hpp"
#include "host/tensor/random.hpp"

namespace qloom::check {
namespace {

constexpr std::uint64_t kSteps = 3;  // of an epoch, which is one round
constexpr std::uint64_t kBatch = 5, kClasses = 4;
constexpr float kRate = 1.0F;  // the one rate that every recipe takes

struct Parameter {
  Parameter(std::uint32_t role_, std::string layer_, std::uint64_t rows_, std::uint64_t fan_in_)
      : role(role_),
        layer(std::move(layer_)),
        n(rows_ * std::max<std::uint64_t>(1, fan_in_)),
        fan_in(fan_in_),
        rows(rows_),
        value(n, Side::kAfter),
        gradient(n, Side::kAfter) {}
  std::uint32_t role;
  std::string layer;
  std::uint64_t n, fan_in, rows;
  Guarded<float> value, gradient;
  std::vector<float> quantized, shadow;
};
struct NormOfRun {
  std::string layer, producer;
  std::uint64_t channels;
};

/// More than twelve functions: those of "qloom.run/1", and the round itself.
class SmallRun {
 public:
  SmallRun(std::uint64_t seed, std::uint64_t round) : seed_(seed), round_(round) {
    for (const auto& [layer, rows, fan_in] : {std::tuple{"first", 12U, 10U}, {"last", 4U, 12U}}) {
      add(QLOOM_ROLE_WEIGHT, layer, rows, fan_in);
      add(QLOOM_ROLE_BIAS, layer, rows, 0);
    }
    for (const auto& [layer, rows] : {std::pair{"first_norm", 12U}, {"last_norm", 4U}}) {
      add(QLOOM_ROLE_GAMMA, layer, rows, 0);
      add(QLOOM_ROLE_BETA, layer, rows, 0);
    }
    norms_ = {{"first_norm", "first", 12}, {"last_norm", "", 4}};
    for (std::uint64_t i = 0; i < kBatch; ++i) labels_.push_back(static_cast<int>(i % kClasses));
  }

  /// All events of the round that the procedure wants, with what the host does in between.
  [[nodiscard]] std::string epoch(Context& context, registry::Instance& instance);
  [[nodiscard]] Record take() const;

  // The functions of "qloom.run/1".
  qloom_status tensor(std::uint64_t index, qloom_run_tensor& out);
  qloom_status norm(std::uint64_t index, qloom_run_norm& out) const;
  qloom_status norm_inference(std::uint64_t index, float* scale, float* shift) const;
  qloom_status remove_norm(std::uint64_t index);
  qloom_status set_shadow(std::uint64_t index, const float* values);
  qloom_status retune_norms(std::uint64_t) { return ++retunings_, QLOOM_OK; }
  qloom_status logits(const float** values, float** gradient, const std::int32_t** labels);
  qloom_status schedule(double& rate, std::uint64_t& steps) const {
    rate = double{rate_};
    steps = kSteps;
    return QLOOM_OK;
  }
  qloom_status scale_rate(double factor) {
    rate_ *= static_cast<float>(factor);
    return QLOOM_OK;
  }
  qloom_status report(const char* key, double value) {
    if (key == nullptr || !std::isfinite(value)) return QLOOM_E_INVALID;
    reports_[key].push_back(value);
    return QLOOM_OK;
  }
  qloom_status random(const char* stream, float* out, std::uint64_t n) const {
    for (std::uint64_t i = 0; i < n; ++i) {
      out[i] = qloom::uniform(random_word(seed_, stream_id(stream), step_, i));
    }
    return QLOOM_OK;
  }

 private:
  void add(std::uint32_t role, const char* layer, std::uint64_t rows, std::uint64_t fan_in) {
    Parameter& p = parameters_.emplace_back(role, layer, rows, fan_in);
    fill(p.value, 1.0F);
    fill(p.gradient, 0.0F);
    p.quantized.assign(p.value.data(), p.value.data() + p.n);
  }
  void fill(Guarded<float>& values, float size) {
    ++fills_;
    const Tensor x = gaussian({static_cast<std::int64_t>(values.size())},
                              seed_ + 100 * round_ + fills_, size * factor_of(round_));
    std::copy(x.begin(), x.end(), values.data());
  }
  /// Empty, or the refusal.
  std::string emit(Context& context, registry::Instance& instance, std::uint32_t event);
  void update();

  std::uint64_t seed_, round_, fills_ = 0, step_ = 0, epoch_ = 0;
  float rate_ = kRate;
  bool is_training_ = false, has_logits_ = false;
  std::list<Parameter> parameters_;
  std::vector<NormOfRun> norms_;
  std::vector<std::int32_t> labels_;
  Guarded<float> values_{kBatch * kClasses, Side::kAfter}, slopes_{kBatch * kClasses, Side::kAfter};
  std::map<std::string, std::vector<double>> reports_;
  std::int64_t retunings_ = 0;
};

template <class List>
auto* at(List& list, std::uint64_t index) {
  return index < list.size() ? &*std::next(list.begin(), static_cast<std::ptrdiff_t>(index))
                             : nullptr;
}

qloom_status SmallRun::tensor(std::uint64_t index, qloom_run_tensor& out) {
  Parameter* const p = at(parameters_, index);
  if (p == nullptr) return QLOOM_E_INVALID;
  out.role = p->role;
  out.layer = p->layer.c_str();
  out.value = p->value.data();
  out.gradient = is_training_ ? p->gradient.data() : nullptr;
  out.quantized = p->quantized.data();
  out.n = p->n;
  out.fan_in = p->fan_in;
  out.shape[0] = static_cast<std::int64_t>(p->rows);
  out.shape[1] = out.shape[2] = 1;
  out.shape[3] = static_cast<std::int64_t>(p->n / p->rows);
  out.shadow = p->shadow.empty() ? nullptr : p->shadow.data();
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
  const qloom_event e{sizeof(qloom_event), event, step_, epoch_, 0, 1, "train"};
  qloom_error error = registry::empty_error();
  const qloom_status status = context.call("on", [&] {
    return ops.on(instance.self(), reinterpret_cast<qloom_run*>(this), &e, &error);
  });
  return status == QLOOM_OK ? std::string{} : fmt::format("status {}: {}", status, error.message);
}

/// The optimizer's step; what contractions see is the stored value in sixteenths.
void SmallRun::update() {
  for (Parameter& p : parameters_) {
    for (std::uint64_t i = 0; i < p.n; ++i) {
      p.value.data()[i] -= rate_ * p.gradient.data()[i];
      p.quantized[i] = std::nearbyint(p.value.data()[i] * 16.0F) / 16.0F;
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
    send(QLOOM_EVENT_STAGE);
  }
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
  if (round_ == kLastRound) send(QLOOM_EVENT_FINALIZE);
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
  }
  record.push_back({"gradient of the logits",
                    std::vector<float>(slopes_.data(), slopes_.data() + slopes_.size()), ""});
  for (const auto& [key, series] : reports_) record.push_back({"report of " + key, series, ""});
  record.push_back({"retunings", std::vector<std::int64_t>{retunings_}, ""});
  return record;
}

SmallRun& run_of(qloom_run* run) { return *reinterpret_cast<SmallRun*>(run); }

constexpr qloom_run_api kRun{
    .struct_size = sizeof(qloom_run_api),
    .reserved = 0,
    .tensor = [](qloom_run* r, std::uint64_t i,
                 qloom_run_tensor* out) noexcept { return run_of(r).tensor(i, *out); },
    .norm = [](qloom_run* r, std::uint64_t i,
               qloom_run_norm* out) noexcept { return run_of(r).norm(i, *out); },
    .norm_inference =
        [](qloom_run* r, std::uint64_t i, float* scale, float* shift) noexcept {
          return run_of(r).norm_inference(i, scale, shift);
        },
    .remove_norm = [](qloom_run* r, std::uint64_t i) noexcept { return run_of(r).remove_norm(i); },
    .set_shadow = [](qloom_run* r, std::uint64_t i,
                     const float* values) noexcept { return run_of(r).set_shadow(i, values); },
    .retune_norms = [](qloom_run* r,
                       std::uint64_t batches) noexcept { return run_of(r).retune_norms(batches); },
    .logits =
        [](qloom_run* r, const float** values, float** gradient, const std::int32_t** labels,
           std::uint64_t* batch, std::uint64_t* classes) noexcept {
          *batch = kBatch;
          *classes = kClasses;
          return run_of(r).logits(values, gradient, labels);
        },
    .schedule = [](qloom_run* r, double* rate,
                   std::uint64_t* steps) noexcept { return run_of(r).schedule(*rate, *steps); },
    .scale_learning_rate = [](qloom_run* r,
                              double factor) noexcept { return run_of(r).scale_rate(factor); },
    .report = [](qloom_run* r, const char* key,
                 double value) noexcept { return run_of(r).report(key, value); },
    .random_uniform = [](qloom_run* r, const char* stream, float* out,
                         std::uint64_t n) noexcept { return run_of(r).random(stream, out, n); }};

}  // namespace

Record exercise_procedure(Context& context, const Case&, registry::Instance& instance, const Input&,
                          std::uint64_t round) {
  registry::set_run_service(&kRun);
  SmallRun run(context.seed(), round);
  const std::string refusal = run.epoch(context, instance);
  if (!refusal.empty()) return {{"on", std::vector<float>{}, refusal}};
  return run.take();
}

}  // namespace qloom::check
