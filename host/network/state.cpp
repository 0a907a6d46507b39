// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Initial values, and the network's state as named arrays:
//   parameter/<layer>/<role>, norm/<layer>/<array>, norm/<layer>/@version, removed/<layer>
// and with everything: velocity/, second/, shadow/<layer>/<role>, site/<site>/<array>,
// learned/<site>/<name>/{velocity,second}, overflows/<site>.
#include <algorithm>
#include <cmath>
#include <numbers>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "host/network/network.hpp"
#include "host/tensor/error.hpp"
#include "host/tensor/random.hpp"

namespace qloom::network {
namespace {

data::Array to_array(const Tensor& t) {
  return {t.shape(), std::vector<float>(t.begin(), t.end())};
}
data::Array to_array(const std::vector<float>& v) {
  return {{static_cast<std::int64_t>(v.size())}, v};
}

data::Arrays with_prefix(const data::Arrays& all, const std::string& prefix) {
  data::Arrays part;
  for (auto it = all.lower_bound(prefix); it != all.end() && it->first.starts_with(prefix); ++it) {
    part[it->first.substr(prefix.size())] = it->second;
  }
  return part;
}

const std::vector<float>* find_floats(const data::Arrays& all, const std::string& key) {
  const auto found = all.find(key);
  return found == all.end() ? nullptr : std::get_if<std::vector<float>>(&found->second.values);
}

void restore(const data::Arrays& all, const std::string& key, Tensor& t, const Shape& shape) {
  const auto* values = find_floats(all, key);
  if (values == nullptr || values->size() != element_count(shape)) return;
  t.resize(shape);
  std::copy(values->begin(), values->end(), t.begin());
}

}  // namespace

void Network::initialise() {
  for (Parameter* p : parameters()) {
    if (p->role != QLOOM_ROLE_WEIGHT) continue;
    const Layer& layer = model_.layers[static_cast<std::size_t>(model_.find(p->layer))];
    const std::uint64_t stream = stream_id("initialise/" + p->name());
    const double fan_in = static_cast<double>(std::max<std::int64_t>(p->fan_in, 1));
    const double deviation = std::sqrt(2.0 / fan_in), limit = std::sqrt(6.0 / fan_in);
    for (std::size_t i = 0; i < p->value.size(); ++i) {
      const double u = uniform(random_word(seed_, stream, 0, 2 * i));
      if (layer.initialisation == "uniform") {
        p->value[i] = static_cast<float>(limit * (2.0 * u - 1.0));
      } else {  // Box and Muller, 1958
        const double v = uniform(random_word(seed_, stream, 0, 2 * i + 1));
        p->value[i] = static_cast<float>(deviation * std::sqrt(-2.0 * std::log(1.0 - u)) *
                                         std::cos(2.0 * std::numbers::pi * v));
      }
    }
  }
}

data::Arrays Network::save(bool everything) const {
  data::Arrays all;
  for (const auto& [key, p] : parameters_) {
    all["parameter/" + key] = to_array(p->value);
    if (!everything) continue;
    if (!p->velocity.empty()) all["velocity/" + key] = to_array(p->velocity);
    if (!p->second_moment.empty()) all["second/" + key] = to_array(p->second_moment);
    if (!p->shadow.empty()) all["shadow/" + key] = to_array(p->shadow);
  }
  for (const auto& [layer, norm] : norms_) {
    for (auto& [key, array] : norm->instance.save()) all["norm/" + layer + "/" + key] = array;
    all["norm/" + layer + "/@version"] = {
        {1}, std::vector<std::int32_t>{static_cast<std::int32_t>(norm->instance.state_version())}};
  }
  for (std::size_t i = 0; i < is_removed_.size(); ++i) {
    if (is_removed_[i]) all["removed/" + model_.layers[i].name] = {{1}, std::vector<std::int32_t>{1}};
  }
  if (!everything) return all;
  for (const auto& [name, site] : sites_) {
    for (auto& [key, array] : site->save()) all["site/" + name + "/" + key] = array;
  }
  for (const auto& [name, state] : learned_state_) {
    all["learned/" + name + "/velocity"] = to_array(state.velocity);
    all["learned/" + name + "/second"] = to_array(state.second);
  }
  for (const auto& [name, count] : overflows_) {
    all["overflows/" + name] = {{1}, std::vector<std::int64_t>{static_cast<std::int64_t>(count)}};
  }
  return all;
}

void Network::renew(const std::set<const registry::Method*>& methods) {
  const auto is_in = [&](const MethodSpec& spec) { return methods.contains(spec.method); };
  auto sites = sites_;
  for (auto& [key, site] : sites) {
    const QuantizerSpec& spec = site->spec();
    if (!is_in(spec.quantizer) && !is_in(spec.range) && !is_in(spec.rounding)) continue;
    auto fresh = std::make_shared<SiteQuantizer>(*registry_, spec, site->context());
    fresh->load(site->save());
    site = std::move(fresh);
  }
  auto norms = norms_;
  for (auto& [layer, norm] : norms) {
    if (!is_in(norm->spec)) continue;
    const Layer& of = model_.layers[static_cast<std::size_t>(model_.find(layer))];
    auto fresh = std::make_shared<NormLayer>(*registry_, norm->spec, of, norm->fan_in);
    fresh->instance.load(norm->instance.save(), norm->instance.state_version());
    norm = std::move(fresh);
  }
  for (const auto& [key, site] : accumulators_) {  // stateless: created anew at their next use
    for (const MethodSpec* spec : {&site.spec.accumulator, &site.spec.rounding}) {
      if (is_in(*spec)) static_cast<void>(registry_->create(*spec->method, spec->params));
    }
  }
  sites_ = std::move(sites);
  norms_ = std::move(norms);
  std::erase_if(accumulators_, [&](const auto& entry) {
    return is_in(entry.second.spec.accumulator) || is_in(entry.second.spec.rounding);
  });
  lower(Placement(placement_));
}

void Network::load_structure(const data::Arrays& state) {
  for (std::size_t i = 0; i < model_.layers.size(); ++i) {
    if (state.contains("removed/" + model_.layers[i].name) && !is_removed_[i]) {
      remove_norm(static_cast<int>(i));
    }
  }
}

void Network::load(const data::Arrays& state, bool everything, const std::string& where) {
  for (const auto& [key, p] : parameters_) {
    const auto found = state.find("parameter/" + key);
    if (found == state.end()) {
      throw InputError(fmt::format("{}: array \"parameter/{}\" is missing", where, key));
    }
    if (found->second.shape != p->value.shape()) {
      throw InputError(fmt::format("{}: \"parameter/{}\" has shape [{}], the model needs [{}]", where,
                                   key, fmt::join(found->second.shape, ", "),
                                   fmt::join(p->value.shape(), ", ")));
    }
    restore(state, "parameter/" + key, p->value, p->value.shape());
    if (!everything) continue;
    restore(state, "velocity/" + key, p->velocity, p->value.shape());
    restore(state, "second/" + key, p->second_moment, p->value.shape());
    restore(state, "shadow/" + key, p->shadow, p->value.shape());
  }
  for (const auto& [layer, norm] : norms_) {
    data::Arrays own = with_prefix(state, "norm/" + layer + "/");
    const auto version = own.find("@version");
    if (version == own.end()) continue;
    const auto number = std::get<std::vector<std::int32_t>>(version->second.values).at(0);
    own.erase(version);
    norm->instance.load(own, static_cast<std::uint32_t>(number));
  }
  if (!everything) return;
  for (const auto& [name, site] : sites_) {
    const data::Arrays own = with_prefix(state, "site/" + name + "/");
    if (!own.empty()) site->load(own);
  }
  learned_state_.clear();
  for (const auto& [key, array] : with_prefix(state, "learned/")) {
    const std::size_t slash = key.rfind('/');
    LearnedState& learned = learned_state_[key.substr(0, slash)];
    auto& into = key.substr(slash + 1) == "velocity" ? learned.velocity : learned.second;
    into = std::get<std::vector<float>>(array.values);
  }
  overflows_.clear();
  for (const auto& [key, array] : with_prefix(state, "overflows/")) {
    overflows_[key] =
        static_cast<std::uint64_t>(std::get<std::vector<std::int64_t>>(array.values).at(0));
  }
}

}  // namespace qloom::network
