// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/network/parameters.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "host/kernels/kernels.hpp"
#include "host/tensor/normal.hpp"
#include "host/tensor/random.hpp"

namespace qloom::network {
namespace {

data::Array to_array(const Tensor& t) {
  return {t.shape(), std::vector<float>(t.begin(), t.end())};
}

void copy(const std::vector<float>& values, const Shape& shape, Tensor& t) {
  t.resize(shape);
  std::copy(values.begin(), values.end(), t.begin());
}

/// Optimizer state and shadows are there once they were needed.
void restore(data::ArrayReader& reader, const std::string& name, Tensor& t, const Shape& shape) {
  if (reader.contains(name)) copy(reader.read<float>(name, shape), shape, t);
}

void save_control(const Control& c, const std::string& key, const Shape& shape, data::Arrays& all) {
  if (!c.held.empty()) all["held/" + key] = {shape, c.held};
  if (!c.importance.empty()) all["importance/" + key] = {shape, c.importance};
  if (c.rate_factor == 1 && c.decay_factor == 1 && c.storage_bits < 0) return;
  all["control/" + key] = {{3}, std::vector<double>{c.rate_factor, c.decay_factor, c.storage_bits}};
}

}  // namespace

bool is_finite(const Tensor& x) {
  if (x.empty()) return true;
  const qloom_tensor whole{x.data(), x.shape().data(), x.shape().size(), x.size(), 1, 1, x.size()};
  double count = 0;
  kernels::table().reduce(&whole, QLOOM_REDUCE_NONFINITE, nullptr, &count);
  return count == 0;
}

Parameter* Parameters::get(const Layer& layer, std::uint32_t role, Shape shape,
                           std::int64_t fan_in) {
  const std::string key = layer.name + "/" + role_name(role);
  auto& slot = all_[key];
  if (slot == nullptr) {
    slot = std::make_unique<Parameter>();
    slot->layer = layer.name;
    slot->role = role;
    slot->fan_in = fan_in;
    slot->shape = shape;
    if (!has_values_) return slot.get();
    slot->value.resize(shape);
    slot->value.fill(role == QLOOM_ROLE_GAMMA ? 1.0F : 0.0F);
    slot->gradient.resize(std::move(shape));
    slot->gradient.fill(0.0F);
  }
  return slot.get();
}

void Parameters::drop_norm(const std::string& layer) {
  for (const char* role : {"gamma", "beta"}) all_.erase(layer + "/" + role);
}

void Parameters::order(const Model& model) {
  ordered_.clear();
  for (const Layer& layer : model.layers) {
    for (const char* role : {"weight", "bias", "gamma", "beta"}) {
      const auto found = all_.find(layer.name + "/" + role);
      if (found != all_.end()) ordered_.push_back(found->second.get());
    }
  }
}

void Parameters::initialise(const Model& model) {
  for (Parameter* p : ordered_) {
    if (p->role != QLOOM_ROLE_WEIGHT) continue;
    const Layer& layer = model.layers[static_cast<std::size_t>(model.find(p->layer))];
    const std::uint64_t stream = stream_id("initialise/" + p->name());
    const double fan_in = static_cast<double>(std::max<std::int64_t>(p->fan_in, 1));
    const double deviation = std::sqrt(2.0 / fan_in), limit = std::sqrt(6.0 / fan_in);
    for (std::size_t i = 0; i < p->value.size(); ++i) {
      if (layer.initialisation == "uniform") {
        const double u = uniform(random_word(seed_, stream, 0, 2 * i));
        p->value[i] = static_cast<float>(limit * (2.0 * u - 1.0));
      } else {
        p->value[i] = normal(seed_, stream, 0, i, deviation);
      }
    }
  }
}

std::string Parameters::first_non_finite(bool has_gradients) const {
  for (const auto& [key, parameter] : all_) {
    if (has_gradients && !is_finite(parameter->gradient)) return "gradient of " + key;
    if (!is_finite(parameter->value)) return key;
  }
  return "";
}

void Parameters::save(data::Arrays& all, bool everything) const {
  for (const auto& [key, p] : all_) {
    all["parameter/" + key] = to_array(p->value);
    if (!everything) continue;
    if (!p->velocity.empty()) all["velocity/" + key] = to_array(p->velocity);
    if (!p->second_moment.empty()) all["second/" + key] = to_array(p->second_moment);
    if (!p->shadow.empty()) all["shadow/" + key] = to_array(p->shadow);
    save_control(p->control, key, p->value.shape(), all);
  }
}

void Parameters::load_weights(data::ArrayReader& reader) {
  for (const auto& [key, p] : all_) reader.expect("parameter/" + key);
  for (const auto& [key, p] : all_) {
    const Shape shape = p->value.shape();
    copy(reader.read_weights("parameter/" + key, shape), shape, p->value);
  }
}

void Parameters::load_everything(data::ArrayReader& reader) {
  for (const auto& [key, p] : all_) {
    const Shape shape = p->value.shape();
    copy(reader.read<float>("parameter/" + key, shape), shape, p->value);
    restore(reader, "velocity/" + key, p->velocity, shape);
    restore(reader, "second/" + key, p->second_moment, shape);
  }
  load_held(reader);
  for (const auto& [key, p] : all_) {
    if (!reader.contains("control/" + key)) continue;
    const auto& control = reader.read<double>("control/" + key, {3});
    p->control.rate_factor = control[0];
    p->control.decay_factor = control[1];
    p->control.storage_bits = control[2];
  }
}

void Parameters::load_held(data::ArrayReader& reader) {
  for (const auto& [key, p] : all_) {
    const Shape& shape = p->value.shape();
    if (reader.contains("held/" + key)) {
      p->control.held = reader.read<std::uint8_t>("held/" + key, shape);
    }
    if (reader.contains("importance/" + key)) {
      p->control.importance = reader.read<float>("importance/" + key, shape);
    }
  }
}

void Parameters::load_shadows(data::ArrayReader& reader) {
  for (const auto& [key, p] : all_) {
    restore(reader, "shadow/" + key, p->shadow, p->value.shape());
  }
}

}  // namespace qloom::network
