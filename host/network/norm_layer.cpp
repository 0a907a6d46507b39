// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>
#include <stdexcept>

#include "host/layers/common/elementwise.hpp"
#include "host/network/norm_layer.hpp"

namespace qloom::network {
namespace {

const float* value_of(const Parameter& parameter, const Pass& pass) {
  return pass.use_shadows && !parameter.shadow.empty() ? parameter.shadow.data()
                                                       : parameter.value.data();
}

}  // namespace

NormLayer::NormLayer(const registry::Registry& registry, MethodSpec of, const Layer& layer,
                     std::int64_t products)
    : spec(std::move(of)),
      fan_in(products),
      registry_(&registry),
      channels_(layer.out.channels),
      name_(layer.name) {
  method = make();
  has_affine = method.has_affine() && spec.params.value("affine", true);
}

methods::Norm NormLayer::make() const {
  return {methods::create(*registry_, spec), static_cast<std::uint64_t>(channels_),
          static_cast<std::uint64_t>(fan_in), name_};
}

void NormLayer::add_shadow() {
  if (shadow) return;
  shadow = make();
  shadow.take_state(method);
}

void NormLayer::adopt(const NormLayer& before) {
  method.take_state(before.method);
  if (!before.shadow) return;
  shadow = make();
  shadow.take_state(before.shadow);
}

qloom_status NormLayer::quantize_slot(void* self, const char* slot, const float* x, float* y,
                                      std::uint64_t n) noexcept {
  auto& norm = *static_cast<NormLayer*>(self);
  try {
    const auto found = norm.slot_sites.find(std::string_view(slot));
    if (found == norm.slot_sites.end() || norm.pass_.rules != Pass::Rules::kOn) {
      if (y != x) std::copy_n(x, n, y);
      return QLOOM_OK;
    }
    Tensor& in = norm.slot_in_;
    in.resize({static_cast<std::int64_t>(n)});
    std::copy_n(x, n, in.data());
    found->second->forward(in, norm.slot_out_, norm.pass_.phase);
    std::copy_n(norm.slot_out_.data(), n, y);
    return QLOOM_OK;
  } catch (const std::exception&) {
    return QLOOM_E_INTERNAL;
  }
}

qloom_norm_call NormLayer::call(std::uint32_t mode, std::uint64_t rows) {
  qloom_norm_call c = methods::norm_call(mode, rows, static_cast<std::uint64_t>(channels_));
  c.gamma = gamma != nullptr ? value_of(*gamma, pass_) : nullptr;
  c.beta = beta != nullptr ? value_of(*beta, pass_) : nullptr;
  c.momentum = pass_.norm_momentum;
  c.slots = {this, &quantize_slot};
  return c;
}

void NormLayer::inference(std::vector<float>& scale, std::vector<float>& shift) {
  acting().inference(call(QLOOM_MODE_EVALUATE, 0), scale, shift);
}

void NormLayer::inference(const Pass& pass, std::vector<float>& scale, std::vector<float>& shift) {
  const Pass last = pass_;
  pass_ = pass;
  inference(scale, shift);
  pass_ = last;
}

void NormLayer::start(const Tensor& x, const Pass& pass) {
  pass_ = pass;
  if (!pass.norms_train) return inference(scale_, shift_);
  call_ = call(QLOOM_MODE_TRAINING, x.size() / static_cast<std::size_t>(channels_));
  acting().prepare(call_, x.data());
}

void NormLayer::apply(std::uint64_t first, std::uint64_t rows, const float* x,
                      float* y) const noexcept {
  if (pass_.norms_train) {
    acting().apply(call_, first, rows, x, y);
  } else {
    layers::scale_shift(x, scale_.data(), shift_.data(), rows,
                        static_cast<std::uint64_t>(channels_), y);
  }
}

void NormLayer::backward_start() { acting().reset(sums_, call_); }

void NormLayer::backward_sums(std::uint64_t block, std::uint64_t first, std::uint64_t rows,
                              const float* x, const float* dy) noexcept {
  acting().backward_sums(call_, first, rows, x, dy, sums_.block(block));
}

void NormLayer::backward_prepare() {
  acting().backward_prepare(call_, sums_.total(),
                            gamma != nullptr ? gamma->gradient.data() : nullptr,
                            beta != nullptr ? beta->gradient.data() : nullptr);
}

void NormLayer::backward(std::uint64_t first, std::uint64_t rows, const float* x, const float* dy,
                         float* dx) const noexcept {
  acting().backward(call_, first, rows, x, dy, dx);
}

}  // namespace qloom::network
