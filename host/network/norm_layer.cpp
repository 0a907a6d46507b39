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

NormLayer::NormLayer(const registry::Registry& registry, MethodSpec method, const Layer& layer,
                     std::int64_t products)
    : spec(std::move(method)),
      fan_in(products),
      registry_(&registry),
      channels_(layer.out.channels),
      name_(layer.name) {
  instance = make();
  has_affine = (instance.ops<qloom_norm>().caps & QLOOM_NORM_AFFINE) != 0;
}

registry::Instance NormLayer::make() const {
  registry::Instance norm = registry_->create(*spec.method, spec.params);
  qloom_norm_context context{};
  context.struct_size = sizeof context;
  context.channels = static_cast<std::uint64_t>(channels_);
  context.fan_in = static_cast<std::uint64_t>(fan_in);
  qloom_error error = registry::empty_error();
  const auto status = recorded(
      "begin", [&] { return norm.ops<qloom_norm>().begin(norm.self(), &context, &error); });
  registry::check(*spec.method, ("begin " + name_).c_str(), status, error);
  return norm;
}

void NormLayer::add_shadow() {
  if (shadow) return;
  shadow = make();
  shadow.load(instance.save(), instance.state_version());
}

void NormLayer::adopt(const NormLayer& before) {
  instance.load(before.instance.save(), before.instance.state_version());
  if (!before.shadow) return;
  shadow = make();
  shadow.load(before.shadow.save(), before.shadow.state_version());
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
  qloom_norm_call c{};
  c.struct_size = sizeof c;
  c.mode = mode;
  c.rows = rows;
  c.channels = static_cast<std::uint64_t>(channels_);
  c.gamma = gamma != nullptr ? value_of(*gamma, pass_) : nullptr;
  c.beta = beta != nullptr ? value_of(*beta, pass_) : nullptr;
  c.momentum = pass_.norm_momentum;
  c.slots = {this, &quantize_slot};
  return c;
}

void NormLayer::inference(std::vector<float>& scale, std::vector<float>& shift) {
  scale.resize(static_cast<std::size_t>(channels_));
  shift.resize(static_cast<std::size_t>(channels_));
  const qloom_norm_call c = call(QLOOM_MODE_EVALUATE, 0);
  qloom_error error = registry::empty_error();
  const auto status = recorded("inference", [&] {
    return acting().ops<qloom_norm>().inference(acting().self(), &c, scale.data(), shift.data(),
                                                &error);
  });
  check("inference", status, error);
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
  qloom_error error = registry::empty_error();
  const auto status = recorded("prepare", [&] {
    return acting().ops<qloom_norm>().prepare(acting().self(), &call_, x.data(), &error);
  });
  check("forward", status, error);
}

void NormLayer::apply(std::uint64_t first, std::uint64_t rows, const float* x,
                      float* y) const noexcept {
  if (pass_.norms_train) {
    const registry::CallRecord record(*spec.method, "apply", name_.c_str());
    acting().ops<qloom_norm>().apply(acting().self(), &call_, first, rows, x, y);
  } else {
    layers::scale_shift(x, scale_.data(), shift_.data(), rows,
                        static_cast<std::uint64_t>(channels_), y);
  }
}

void NormLayer::backward_start() {
  sums_.reset(acting().ops<qloom_norm>(), call_.rows, call_.channels);
}

void NormLayer::backward_sums(std::uint64_t block, std::uint64_t first, std::uint64_t rows,
                              const float* x, const float* dy) noexcept {
  const registry::CallRecord record(*spec.method, "backward_sums", name_.c_str());
  acting().ops<qloom_norm>().backward_sums(acting().self(), &call_, first, rows, x, dy,
                                           sums_.block(block));
}

void NormLayer::backward_prepare() {
  qloom_error error = registry::empty_error();
  const auto status = recorded("backward_prepare", [&] {
    return acting().ops<qloom_norm>().backward_prepare(
        acting().self(), &call_, sums_.total(), gamma != nullptr ? gamma->gradient.data() : nullptr,
        beta != nullptr ? beta->gradient.data() : nullptr, &error);
  });
  check("backward", status, error);
}

void NormLayer::backward(std::uint64_t first, std::uint64_t rows, const float* x, const float* dy,
                         float* dx) const noexcept {
  const registry::CallRecord record(*spec.method, "backward", name_.c_str());
  acting().ops<qloom_norm>().backward(acting().self(), &call_, first, rows, x, dy, dx);
}

void NormLayer::check(const char* what, qloom_status status, const qloom_error& error) const {
  if (status == QLOOM_OK) return registry::require_floating_point();
  registry::check(*spec.method, (std::string(what) + " " + name_).c_str(), status, error);
}

}  // namespace qloom::network
