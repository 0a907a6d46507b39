// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/network/norms.hpp"

#include <utility>

#include <fmt/format.h>

namespace qloom::network {
namespace {

void save_norm(const registry::Instance& norm, const std::string& prefix, data::Arrays& all) {
  for (auto& [key, array] : norm.save()) all[prefix + key] = std::move(array);
  all[prefix + "@version"] = {
      {1}, std::vector<std::int32_t>{static_cast<std::int32_t>(norm.state_version())}};
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

void Norms::start() {
  old_ = std::move(all_);
  all_.clear();
}

std::shared_ptr<NormLayer> Norms::make(const MethodSpec& spec, const Layer& layer,
                                       std::int64_t fan_in) {
  auto& norm = all_[layer.name];
  const auto old = old_.find(layer.name);
  if (old != old_.end() && old->second->spec == spec) return norm = old->second;
  norm = std::make_shared<NormLayer>(*registry_, spec, layer, fan_in);
  if (old != old_.end()) norm->adopt(*old->second);  // in the middle of a run
  return norm;
}

Norms::Map Norms::renewed(const std::set<const registry::Method*>& methods,
                          const Model& model) const {
  Map norms = all_;
  for (auto& [layer, norm] : norms) {
    if (!methods::is_of(*registry_, norm->spec, methods)) continue;
    const Layer& of = model.layers[static_cast<std::size_t>(model.find(layer))];
    auto fresh = std::make_shared<NormLayer>(*registry_, norm->spec, of, norm->fan_in);
    fresh->adopt(*norm);
    norm = std::move(fresh);
  }
  return norms;
}

void Norms::add_shadows() {
  for (auto& [layer, norm] : all_) norm->add_shadow();
}

void Norms::drop_shadows() {
  for (auto& [layer, norm] : all_) norm->drop_shadow();
}

void Norms::save(data::Arrays& all, bool everything) const {
  for (const auto& [layer, norm] : all_) {
    save_norm(norm->method.instance(), "norm/" + layer + "/", all);
    if (everything && norm->shadow)
      save_norm(norm->shadow.instance(), "shadow_norm/" + layer + "/", all);
  }
}

void Norms::load_weights(data::ArrayReader& reader) {
  for (const auto& [layer, norm] : all_) {
    const std::string prefix = "norm/" + layer + "/";
    const data::Arrays before = norm->method.instance().save();
    if (reader.contains_below(prefix)) {
      load_norm(reader, prefix, norm->method.instance());
      compare_norm(reader, prefix, before, norm->method.instance().save());
    } else if (!before.empty()) {
      reader.warn(fmt::format("has no arrays \"{}*\": the norm's statistics begin anew", prefix));
    }
  }
}

void Norms::load_everything(data::ArrayReader& reader) {
  for (const auto& [layer, norm] : all_) {
    load_norm(reader, "norm/" + layer + "/", norm->method.instance());
  }
}

void Norms::load_shadows(data::ArrayReader& reader) {
  for (const auto& [layer, norm] : all_) {
    const std::string prefix = "shadow_norm/" + layer + "/";
    if (!reader.contains_below(prefix)) continue;
    norm->add_shadow();
    load_norm(reader, prefix, norm->shadow.instance());
  }
}

}  // namespace qloom::network
