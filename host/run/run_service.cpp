// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/run/run_service.hpp"

#include <algorithm>
#include <exception>

#include "host/run/trainer.hpp"
#include "host/tensor/random.hpp"

namespace qloom::run {
namespace {

Trainer& trainer_of(qloom_run* run) { return *reinterpret_cast<Trainer*>(run); }

template <class Body>
qloom_status guarded(Body&& body) noexcept {
  try {
    return body();
  } catch (const std::exception& error) {
    registry::host_services().log(&registry::host_services(), 4, error.what());
    return QLOOM_E_INVALID;
  }
}

qloom_status tensor(qloom_run* run, std::uint64_t index, qloom_run_tensor* out) noexcept {
  return guarded([&] {
    Trainer& trainer = trainer_of(run);
    const auto parameters = trainer.network().parameters.list();
    if (index >= parameters.size()) return QLOOM_E_INVALID;
    network::Parameter& p = *parameters[index];
    out->role = p.role;
    out->layer = p.layer.c_str();
    out->value = p.value.data();
    out->gradient = trainer.in_training() ? p.gradient.data() : nullptr;
    // Between forward and backward the quantizers must stay as they are.
    const bool is_between = trainer.logits().logits != nullptr;
    network::Network& network = trainer.network();
    out->quantized =
        (is_between ? network::last_seen(network, p) : network::quantized(network, p)).data();
    out->n = p.value.size();
    out->shadow = p.shadow.empty() ? nullptr : p.shadow.data();
    out->fan_in = static_cast<std::uint64_t>(p.fan_in);
    for (std::size_t i = 0; i < 4; ++i) {
      out->shape[i] = i < p.value.shape().size() ? p.value.shape()[i] : 1;
    }
    return QLOOM_OK;
  });
}

qloom_status norm(qloom_run* run, std::uint64_t index, qloom_run_norm* out) noexcept {
  return guarded([&] {
    const network::Network& network = trainer_of(run).network();
    const auto norms = trainer_of(run).network().plan.norms();
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
    const auto norms = trainer_of(run).network().plan.norms();
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

qloom_status remove_norm(qloom_run* run, std::uint64_t index) noexcept {
  return guarded([&] {
    trainer_of(run).remove_norm(index);
    return QLOOM_OK;
  });
}

qloom_status set_shadow(qloom_run* run, std::uint64_t index, const float* values) noexcept {
  return guarded([&] {
    const auto parameters = trainer_of(run).network().parameters.list();
    if (index >= parameters.size()) return QLOOM_E_INVALID;
    network::Parameter& p = *parameters[index];
    trainer_of(run).drop_inherited_shadows();
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
    trainer_of(run).retune_norms(batches);
    return QLOOM_OK;
  });
}

qloom_status logits(qloom_run* run, const float** values, float** gradient,
                    const std::int32_t** labels, std::uint64_t* batch,
                    std::uint64_t* classes) noexcept {
  const Trainer::LogitsView& view = trainer_of(run).logits();
  if (view.logits == nullptr) return QLOOM_E_ORDER;
  *values = view.logits;
  *gradient = view.gradient;
  *labels = view.labels;
  *batch = static_cast<std::uint64_t>(view.batch);
  *classes = static_cast<std::uint64_t>(view.classes);
  return QLOOM_OK;
}

qloom_status schedule(qloom_run* run, double* rate, std::uint64_t* steps) noexcept {
  *rate = trainer_of(run).learning_rate();
  *steps = trainer_of(run).steps_per_epoch();
  return QLOOM_OK;
}

qloom_status scale_learning_rate(qloom_run* run, double factor) noexcept {
  trainer_of(run).scale_learning_rate(factor);
  return QLOOM_OK;
}

qloom_status report(qloom_run* run, const char* key, double value) noexcept {
  return guarded([&] {
    trainer_of(run).report_value(key, value);
    return QLOOM_OK;
  });
}

qloom_status random_uniform(qloom_run* run, const char* stream, float* out,
                            std::uint64_t n) noexcept {
  return guarded([&] {
    const std::uint64_t seed = trainer_of(run).pipeline().seed;
    const std::uint64_t id = stream_id(stream);
    for (std::uint64_t i = 0; i < n; ++i) {
      out[i] = uniform(random_word(seed, id, trainer_of(run).cursor().steps, i));
    }
    return QLOOM_OK;
  });
}

constexpr qloom_run_api kTable{
    sizeof(qloom_run_api), 0,           &tensor,        &norm,   &norm_inference,
    &remove_norm,          &set_shadow, &retune_norms,  &logits, &schedule,
    &scale_learning_rate,  &report,     &random_uniform};

}  // namespace

void install_run_service() { registry::set_run_service(&kTable); }

qloom_run* as_run(Trainer& trainer) { return reinterpret_cast<qloom_run*>(&trainer); }

}  // namespace qloom::run
