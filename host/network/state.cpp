// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Initial values, and the network's state as named arrays:
//   parameter/<layer>/<role>, norm/<layer>/<array>, norm/<layer>/@version, removed/<layer>
// and with everything: velocity/, second/, shadow/<layer>/<role>, shadow_norm/<layer>/ as norm/,
// site/<site>/<array>, learned/<site>/<name>/{velocity,second}, overflows/<site>.
// A quantize node's arrays stand under its first reader; site/<site>/@methods, for each reader, is
// JSON text: the node's rule, or {"shares": "<site>/<layer>"} with the first reader.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "host/network/network.hpp"
#include "host/tensor/error.hpp"
#include "host/tensor/normal.hpp"
#include "host/tensor/random.hpp"

namespace qloom::network {
namespace {

data::Array to_array(const Tensor& t) {
  return {t.shape(), std::vector<float>(t.begin(), t.end())};
}
data::Array to_array(const std::vector<float>& v) {
  return {{static_cast<std::int64_t>(v.size())}, v};
}

data::Array to_array(const std::string& text) {
  return {{static_cast<std::int64_t>(text.size())},
          std::vector<std::uint8_t>(text.begin(), text.end())};
}

void save_norm(const registry::Instance& norm, const std::string& prefix, data::Arrays& all) {
  for (auto& [key, array] : norm.save()) all[prefix + key] = std::move(array);
  all[prefix + "@version"] = {
      {1}, std::vector<std::int32_t>{static_cast<std::int32_t>(norm.state_version())}};
}

void copy(const std::vector<float>& values, const Shape& shape, Tensor& t) {
  t.resize(shape);
  std::copy(values.begin(), values.end(), t.begin());
}

/// Optimizer state and shadows are there once they were needed.
void restore(data::ArrayReader& reader, const std::string& name, Tensor& t, const Shape& shape) {
  if (reader.contains(name)) copy(reader.read<float>(name, shape), shape, t);
}

void load_norm(data::ArrayReader& reader, const std::string& prefix, registry::Instance& norm) {
  const std::int32_t version = reader.read<std::int32_t>(prefix + "@version", {1})[0];
  norm.load(reader, prefix, static_cast<std::uint32_t>(version));
}

/// Warns of arrays that the norm keeps as they were because the file lacks them, and of those that
/// it does not know.
void compare_norm(data::ArrayReader& reader, const std::string& prefix, const data::Arrays& before,
                  const data::Arrays& after) {
  for (const auto& [name, array] : before) {
    if (!reader.contains(prefix + name) && after.at(name).values == array.values) {
      reader.warn(prefix + name, "is missing, the norm keeps what it starts with");
    }
  }
  for (const std::string& name : reader.names_below(prefix)) {
    const std::string own = name.substr(prefix.size());
    if (!own.starts_with('@') && !before.contains(own)) {
      reader.warn(name, "is none of the norm's arrays and is not used");
    }
  }
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
      if (layer.initialisation == "uniform") {
        const double u = uniform(random_word(seed_, stream, 0, 2 * i));
        p->value[i] = static_cast<float>(limit * (2.0 * u - 1.0));
      } else {
        p->value[i] = static_cast<float>(normal(seed_, stream, 0, i, deviation));
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
    save_norm(norm->instance, "norm/" + layer + "/", all);
    if (everything && norm->shadow) save_norm(norm->shadow, "shadow_norm/" + layer + "/", all);
  }
  for (std::size_t i = 0; i < is_removed_.size(); ++i) {
    if (is_removed_[i])
      all["removed/" + model_.layers[i].name] = {{1}, std::vector<std::int32_t>{1}};
  }
  if (!everything) return all;
  for (const auto& [reader, site] : sites_) {
    const std::string name = reader.text(), prefix = "site/" + name + "/";
    const std::string& first = site->context().name;
    const json::Json methods =
        first == name ? to_json(site->spec()) : json::Json{{"shares", first}};
    all[prefix + kSiteMethods] = to_array(methods.dump());
    if (first != name) continue;
    for (auto& [key, array] : site->save()) all[prefix + key] = std::move(array);
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
  std::map<const SiteQuantizer*, std::shared_ptr<SiteQuantizer>> renewed;  // readers stay together
  for (auto& [key, site] : sites) {
    const QuantizerSpec& spec = site->spec();
    if (!is_in(spec.quantizer) && !is_in(spec.range) && !is_in(spec.rounding)) continue;
    auto& fresh = renewed[site.get()];
    if (fresh == nullptr) {
      fresh = std::make_shared<SiteQuantizer>(*registry_, spec, site->context());
      const data::Arrays state = site->save();
      data::ArrayReader reader(state, "state of " + key.text());
      fresh->load(reader, "");
    }
    site = fresh;
  }
  auto norms = norms_;
  for (auto& [layer, norm] : norms) {
    if (!is_in(norm->spec)) continue;
    const Layer& of = model_.layers[static_cast<std::size_t>(model_.find(layer))];
    auto fresh = std::make_shared<NormLayer>(*registry_, norm->spec, of, norm->fan_in);
    fresh->adopt(*norm);
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

void Network::load_structure(data::ArrayReader& reader) {
  for (std::size_t i = 0; i < model_.layers.size(); ++i) {
    const std::string name = "removed/" + model_.layers[i].name;
    if (!reader.contains(name)) continue;
    const bool is_set = reader.read<std::int32_t>(name, {1})[0] != 0;
    if (!model_.layers[i].is_norm()) reader.refuse(name, "the name of a norm layer");
    if (is_set && !is_removed_[i]) remove_norm(static_cast<int>(i));
  }
}

void Network::load_weights(data::ArrayReader& reader) {
  for (const auto& [key, p] : parameters_) reader.expect("parameter/" + key);
  for (const auto& [key, p] : parameters_) {
    const Shape shape = p->value.shape();
    copy(reader.read_weights("parameter/" + key, shape), shape, p->value);
  }
  for (const auto& [layer, norm] : norms_) {
    const std::string prefix = "norm/" + layer + "/";
    const data::Arrays before = norm->instance.save();
    if (reader.contains_below(prefix)) {
      load_norm(reader, prefix, norm->instance);
      compare_norm(reader, prefix, before, norm->instance.save());
    } else if (!before.empty()) {
      reader.warn(fmt::format("has no arrays \"{}*\": the norm's statistics begin anew", prefix));
    }
  }
}

void Network::load_shadows(data::ArrayReader& reader) {
  for (const auto& [key, p] : parameters_) {
    restore(reader, "shadow/" + key, p->shadow, p->value.shape());
  }
  for (const auto& [layer, norm] : norms_) {
    const std::string prefix = "shadow_norm/" + layer + "/";
    if (!reader.contains_below(prefix)) continue;
    norm->add_shadow();
    load_norm(reader, prefix, norm->shadow);
  }
}

void Network::load_everything(data::ArrayReader& reader) {
  for (const auto& [key, p] : parameters_) {
    const Shape shape = p->value.shape();
    copy(reader.read<float>("parameter/" + key, shape), shape, p->value);
    restore(reader, "velocity/" + key, p->velocity, shape);
    restore(reader, "second/" + key, p->second_moment, shape);
  }
  for (const auto& [layer, norm] : norms_) {
    load_norm(reader, "norm/" + layer + "/", norm->instance);
  }
  load_shadows(reader);
  for (const auto& [key, site] : sites_) {
    const std::string name = key.text(), prefix = "site/" + name + "/";
    static_cast<void>(reader.read_list<std::uint8_t>(prefix + kSiteMethods));
    if (site->context().name == name) site->load(reader, prefix);
  }
  load_learned_state(reader);
  overflows_.clear();
  for (const std::string& name : reader.names_below("overflows/")) {
    const std::int64_t count = reader.read<std::int64_t>(name, {1})[0];
    if (count < 0) reader.refuse(name, "a count, not below 0");
    overflows_[name.substr(name.find('/') + 1)] = static_cast<std::uint64_t>(count);
  }
}

/// "learned/<site>/<name>/velocity" and ".../second" are of the learned parameter's length.
void Network::load_learned_state(data::ArrayReader& reader) {
  std::map<std::string, std::int64_t> length;
  for (const auto& [name, site] : sites_) {
    for (const LearnedParameter& l : site->learned()) {
      length[l.key] = static_cast<std::int64_t>(l.gradient.size());
    }
  }
  learned_state_.clear();
  for (const std::string& name : reader.names_below("learned/")) {
    const std::size_t first = name.find('/') + 1, slash = name.rfind('/');
    if (slash < first || !name.ends_with("/velocity")) continue;  // "second" is read with it
    const std::string key = name.substr(first, slash - first);
    const auto known = length.find(key);
    const Shape shape =
        known != length.end()
            ? Shape{known->second}
            : Shape{static_cast<std::int64_t>(reader.read_list<float>(name).size())};
    learned_state_[key] = {reader.read<float>(name, shape),
                           reader.read<float>("learned/" + key + "/second", shape)};
  }
}

}  // namespace qloom::network
