// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Which quantize node a reader gets when the network is lowered again, and what the node takes
// over. The identity of a site is its reader, "<site>/<layer>": readers that share a node keep
// their own keys, and what the node held is theirs alike when a later rule parts them.
#include <algorithm>
#include <cmath>
#include <string_view>

#include <fmt/format.h>

#include "host/network/site_table.hpp"
#include "host/tensor/error.hpp"

namespace qloom::network {
namespace {

/// A bias and a norm's beta start at 0 and take both signs later, so the first tensor that is not 0
/// cannot tell whether the codes need a sign.
bool takes_both_signs(const SiteKey& key) {
  return key.site->value == sites::Value::kBias || key.slot == "beta";
}

/// What is learned or calibrated per group must not depend on how many samples a batch has.
void check_learned_groups(const SiteQuantizer& site) {
  const MethodSpec& spec = site.spec().quantizer;
  const json::Json granularity = granularity_of(spec);
  const bool may_change = granularity.is_object() || granularity == "sample";
  if (!site.context().has_batch_axis || !may_change || !site.learns()) return;
  throw InputError(fmt::format(
      "{}{}/granularity: {} at \"{}\": \"{}\" learns something for each group, and the number of "
      "groups changes with the batch; expected \"tensor\" or \"channel\"",
      spec.where, spec.grid, granularity.dump(), site.context().name, spec.method->id));
}

void check_samples(const SiteKey& key, const MethodSpec& spec) {
  if (key.site->has_batch_axis() || granularity_of(spec) != "sample") return;
  throw InputError(fmt::format(
      "{}{}/granularity: \"sample\" at \"{}\", whose values belong to no sample; expected "
      "\"tensor\", \"channel\" or {{\"group\": k}}",
      spec.where, spec.grid, key.text()));
}

data::Array to_array(const std::vector<float>& v) {
  return {{static_cast<std::int64_t>(v.size())}, v};
}

data::Array to_array(const std::string& text) {
  return {{static_cast<std::int64_t>(text.size())},
          std::vector<std::uint8_t>(text.begin(), text.end())};
}

}  // namespace

std::optional<QuantizerSpec> SiteTable::spec_at(const SiteKey& key) const {
  const auto found = specs_.find(key);
  if (found == specs_.end()) return std::nullopt;
  QuantizerSpec spec = found->second;
  json::Json& params = spec.quantizer.params[json::Json::json_pointer(spec.quantizer.grid)];
  const bool finds_sign = params.is_object() && params.value("signed", json::Json()) == "auto";
  if (finds_sign && takes_both_signs(key)) params["signed"] = true;
  return spec;
}

void SiteTable::recall(data::ArrayReader& reader) {
  sites_.clear();
  before_.clear();
  const std::string prefix = "site/", suffix = std::string("/") + kSiteMethods;
  std::map<SiteKey, std::string> shared;  // reader -> first reader
  for (const std::string& name : reader.names_below(prefix)) {
    if (!name.ends_with(suffix)) continue;
    const std::string text_key =
        name.substr(prefix.size(), name.size() - prefix.size() - suffix.size());
    const auto key = SiteKey::parse(text_key);
    if (!key) reader.refuse(name, "the name of a site of a layer");
    const json::Json rule = reader.read_json(name);
    const auto holds = [&rule](const char* member, auto is) {
      return rule.is_object() && rule.contains(member) && (rule[member].*is)();
    };
    if (holds("shares", &json::Json::is_string)) {
      shared[*key] = rule["shares"].get<std::string>();
    } else if (holds("quantizer", &json::Json::is_object)) {
      QuantizerSpec spec;
      try {
        spec = sites::quantizer_spec_of(*registry_, rule);
      } catch (const json::Json::exception&) {
        reader.refuse(name, "the text of a rule");
      }
      before_[*key] = std::make_shared<SiteState>(
          SiteState{*key, std::move(spec), reader.read_below(prefix + text_key + "/")});
    } else {
      reader.refuse(name, "the text of a rule");
    }
  }
  for (const auto& [key, first] : shared) {
    const auto other = SiteKey::parse(first);
    const auto found = other ? before_.find(*other) : before_.end();
    if (found == before_.end()) {
      reader.refuse(prefix + key.text() + suffix, "a name that has a rule, not \"" + first + "\"");
    }
    before_[key] = found->second;
  }
}

void SiteTable::start(const std::map<SiteKey, QuantizerSpec>& specs) {
  specs_ = specs;
  remember();
  old_sites_ = std::move(sites_);
  sites_.clear();
}

void SiteTable::finish() {
  old_sites_.clear();
  before_.clear();
  old_learned_state_.clear();
}

void SiteTable::remember() {
  old_learned_state_ = std::move(learned_state_);
  learned_state_.clear();
  if (!before_.empty()) return;  // recall() has read them from a file
  std::map<const SiteQuantizer*, std::shared_ptr<const SiteState>> of_node;
  for (const auto& [key, site] : sites_) {
    auto& state = of_node[site.get()];
    if (state == nullptr) {
      state =
          std::make_shared<SiteState>(SiteState{*site->context().key, site->spec(), site->save()});
    }
    before_[key] = state;
  }
}

const SiteState* SiteTable::before(const SiteKey& key) const {
  const auto found = before_.find(key);
  return found == before_.end() ? nullptr : found->second.get();
}

bool SiteTable::share(const SiteKey& first, const SiteKey& key, const QuantizerSpec& spec) {
  const SiteState* own = before(key);
  const bool loses = own != nullptr && own != before(first) && holds_state_for(*own, spec);
  if (!loses) sites_[key] = sites_.at(first);
  return !loses;
}

void SiteTable::move_learned_state(const SiteKey& from, const SiteKey& to) {
  const std::string prefix = from.text() + "/", now = to.text() + "/";
  for (auto it = old_learned_state_.lower_bound(prefix);
       it != old_learned_state_.end() && it->first.starts_with(prefix); ++it) {
    learned_state_[now + it->first.substr(prefix.size())] = it->second;
  }
}

std::shared_ptr<SiteQuantizer> SiteTable::make(const SiteKey& key, std::int64_t channels,
                                               std::int64_t fan_in, bool after_relu) {
  std::optional<QuantizerSpec> spec = spec_at(key);
  if (!spec) return nullptr;
  const SiteState* held = before(key);
  const auto old = old_sites_.find(key);
  // The name decides about the random words: a node goes on only under its own.
  if (held != nullptr && old != old_sites_.end() && old->second->spec() == *spec &&
      old->second->context().key == key) {
    move_learned_state(key, key);
    return sites_[key] = old->second;
  }
  const sites::Site& row = *key.site;
  check_samples(key, spec->quantizer);
  SiteContext context{.name = key.text(),
                      .key = key,
                      .channels = static_cast<std::uint64_t>(channels),
                      .fan_in = static_cast<std::uint64_t>(fan_in),
                      .seed = seed_,
                      .channel_axis = row.channel_axis(),
                      .has_batch_axis = row.has_batch_axis(),
                      .tracks_range = sites::tracks_range(row, *spec),
                      .after_relu = after_relu,
                      .length = length_};
  auto fresh = std::make_shared<SiteQuantizer>(*registry_, std::move(*spec), std::move(context));
  check_learned_groups(*fresh);
  if (held != nullptr) {
    fresh->adopt(*held);
    if (fresh->keeps_learned(*held)) move_learned_state(held->key, key);
  }
  return sites_[key] = std::move(fresh);
}

SiteTable::Map SiteTable::renewed(const std::set<const registry::Method*>& methods) const {
  const auto is_in = [&](const MethodSpec& spec) {
    return methods::is_of(*registry_, spec, methods);
  };
  Map sites = sites_;
  std::map<const SiteQuantizer*, std::shared_ptr<SiteQuantizer>> renewed;  // readers stay together
  for (auto& [key, site] : sites) {
    const QuantizerSpec& spec = site->spec();
    // Lowering creates it anew; a refusal must come before anything changes.
    if (is_in(spec.requantizer)) static_cast<void>(probe_of(*registry_, spec.requantizer, &key));
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
  return sites;
}

void SiteTable::update(const OptimizerSettings& settings, std::uint64_t count) {
  for (auto& [key, site] : sites_) {
    if (!site->learns() || site->context().key != key) continue;  // once for all its readers
    if (!site->acts({.training = true})) continue;                // has no gradient
    for (LearnedParameter& learned : site->learned()) {
      LearnedState& state = learned_state_[learned.key];
      network::update(learned, state.velocity, state.second, settings, count);
    }
    site->after_update();
  }
}

std::string SiteTable::first_non_finite() const {
  for (const auto& [key, site] : sites_) {
    for (const LearnedParameter& learned : site->learned()) {
      const std::vector<float> values(learned.value, learned.value + learned.gradient.size());
      if (!std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); })) {
        return learned.key;
      }
    }
  }
  return "";
}

void SiteTable::save(data::Arrays& all) const {
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
}

void SiteTable::load(data::ArrayReader& reader) {
  for (const auto& [key, site] : sites_) {
    const std::string name = key.text(), prefix = "site/" + name + "/";
    static_cast<void>(reader.read_list<std::uint8_t>(prefix + kSiteMethods));
    if (site->context().name == name) site->load(reader, prefix);
  }
  load_learned_state(reader);
}

/// "learned/<site>/<name>/velocity" and ".../second" are of the learned parameter's length.
void SiteTable::load_learned_state(data::ArrayReader& reader) {
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
