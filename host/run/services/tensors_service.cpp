// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The service "qloom.tensors/1": what procedures see and change of the stored tensors.
#include <algorithm>
#include <string_view>

#include <fmt/format.h>

#include "host/run/services/run_service.hpp"
#include "host/tensor/error.hpp"

namespace qloom::run {
namespace {

/// Null past the last one.
network::Parameter* parameter(const qloom_run* run, std::uint64_t index) {
  const auto& all = run->state.network->parameters.list();
  return index < all.size() ? all[index] : nullptr;
}

bool is_at_loss(const qloom_run* run) { return run->state.step.phase == Step::Phase::kAtLoss; }

template <class T>
std::vector<T> copied(const T* values, std::uint64_t n) {
  return values == nullptr ? std::vector<T>{} : std::vector<T>(values, values + n);
}

void require_factor(const network::Parameter& p, const char* name, double value) {
  if (value >= 0 && std::isfinite(value)) return;
  throw RunError(fmt::format("{}: {} is {}, expected 0 or more", p.name(), name, value));
}

void take_importance(network::Parameter& p, const float* values) {
  std::vector<float> importance = copied(values, p.value.size());
  const auto bad =
      std::ranges::find_if_not(importance, [](float v) { return v >= 0 && std::isfinite(v); });
  if (bad != importance.end()) {
    throw RunError(fmt::format("{}: importance of element {} is {}, expected 0 or more", p.name(),
                               bad - importance.begin(), *bad));
  }
  p.control.importance = std::move(importance);
}

qloom_status set(qloom_run* run, std::uint64_t index, const qloom_tensor_control* in,
                 qloom_error* error) noexcept {
  return guarded(error, [&]() -> qloom_status {
    network::Parameter* const p = parameter(run, index);
    if (p == nullptr) throw RunError(fmt::format("there is no tensor {}", index));
    network::Control& control = p->control;
    if ((in->fields & QLOOM_CONTROL_FACTORS) != 0) {
      require_factor(*p, "rate_factor", in->rate_factor);
      require_factor(*p, "decay_factor", in->decay_factor);
    }
    if ((in->fields & QLOOM_CONTROL_IMPORTANCE) != 0) take_importance(*p, in->importance);
    if ((in->fields & QLOOM_CONTROL_FACTORS) != 0) {
      control.rate_factor = in->rate_factor;
      control.decay_factor = in->decay_factor;
    }
    if ((in->fields & QLOOM_CONTROL_HELD) != 0) control.held = copied(in->held, p->value.size());
    if ((in->fields & QLOOM_CONTROL_STORAGE) != 0) control.storage_bits = in->storage_bits;
    return QLOOM_OK;
  });
}

qloom_status get(qloom_run* run, std::uint64_t index, qloom_tensor_control* out) noexcept {
  const network::Parameter* const p = parameter(run, index);
  if (p == nullptr) return QLOOM_E_INVALID;
  const network::Control& control = p->control;
  out->fields =
      QLOOM_CONTROL_HELD | QLOOM_CONTROL_FACTORS | QLOOM_CONTROL_IMPORTANCE | QLOOM_CONTROL_STORAGE;
  out->held = control.held.empty() ? nullptr : control.held.data();
  out->rate_factor = control.rate_factor;
  out->decay_factor = control.decay_factor;
  out->importance = control.importance.empty() ? nullptr : control.importance.data();
  out->storage_bits = control.storage_bits;
  return QLOOM_OK;
}

qloom_status moment(qloom_run* run, std::uint64_t index, const char* name,
                    float** values) noexcept {
  network::Parameter* const p = parameter(run, index);
  if (p == nullptr) return QLOOM_E_INVALID;
  const std::string_view array = name;
  Tensor& found = array == "second_moment" ? p->second_moment : p->velocity;
  if ((array != "velocity" && array != "second_moment") || found.empty()) {
    return QLOOM_E_UNSUPPORTED;
  }
  *values = found.data();
  return QLOOM_OK;
}

qloom_status quantized(qloom_run* run, std::uint64_t index, const float** values) noexcept {
  return guarded([&]() -> qloom_status {
    network::Parameter* const p = parameter(run, index);
    if (p == nullptr) return QLOOM_E_INVALID;
    network::Network& network = *run->state.network;
    *values = (is_at_loss(run) ? network::last_seen(network, *p) : network::quantized(network, *p))
                  .data();
    return QLOOM_OK;
  });
}

qloom_status shadow(qloom_run* run, std::uint64_t index, float** values) noexcept {
  network::Parameter* const p = parameter(run, index);
  if (p == nullptr) return QLOOM_E_INVALID;
  *values = p->shadow.empty() ? nullptr : p->shadow.data();
  return QLOOM_OK;
}

/// What quantize() and encode() need: a rule that evaluation follows, and no pass under way.
qloom_status require_rule(const qloom_run* run, const network::Parameter* p) {
  if (p == nullptr) return QLOOM_E_INVALID;
  if (is_at_loss(run)) return QLOOM_E_ORDER;
  return network::acting(*p, {}) == nullptr ? QLOOM_E_UNSUPPORTED : QLOOM_OK;
}

qloom_status quantize(qloom_run* run, std::uint64_t index, const float* x, float* y,
                      qloom_error* error) noexcept {
  return guarded(error, [&]() -> qloom_status {
    network::Parameter* const p = parameter(run, index);
    if (const qloom_status status = require_rule(run, p); status != QLOOM_OK) return status;
    Tensor in(p->value.shape()), out;
    std::copy_n(x, in.size(), in.data());
    network::quantize(*run->state.network, *p, in, out);
    std::copy_n(out.data(), out.size(), y);
    return QLOOM_OK;
  });
}

qloom_status encode(qloom_run* run, std::uint64_t index, std::int32_t* codes,
                    qloom_encoding* encoding, qloom_error* error) noexcept {
  return guarded(error, [&]() -> qloom_status {
    network::Parameter* const p = parameter(run, index);
    if (const qloom_status status = require_rule(run, p); status != QLOOM_OK) return status;
    network::quantize(*run->state.network, *p, p->value, p->quantized);
    const qloom_encoding found = p->forward->encoding();
    if (found.kind == QLOOM_ENCODING_NONE || !p->forward->has_codes()) return QLOOM_E_UNSUPPORTED;
    std::vector<std::int32_t> list;
    p->forward->encode(p->value, list);
    std::ranges::copy(list, codes);
    *encoding = found;
    return QLOOM_OK;
  });
}

constexpr qloom_tensors_api kTensors{
    sizeof(qloom_tensors_api), 0, &set, &get, &moment, &quantized, &shadow, &quantize, &encode};

}  // namespace

const qloom_tensors_api& tensors_service() { return kTensors; }

}  // namespace qloom::run
