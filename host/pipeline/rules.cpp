// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/pipeline/rules.hpp"

#include <algorithm>

#include <string_view>

#include <fmt/format.h>

#include "host/json/explain.hpp"
#include "host/json/names.hpp"
#include "host/json/pointer.hpp"
#include "host/methods/method.hpp"
#include "host/pipeline/idle_parameters.hpp"
#include "host/registry/inner.hpp"
#include "host/sites/parts.hpp"
#include "host/sites/site.hpp"
#include "host/tensor/error.hpp"

namespace qloom::pipeline {
namespace {

/// Keys of a rule beside methods and places.
constexpr const char* kPlainKeys[] = {"clamp", "when", "pad", "dynamic"};
constexpr const char* kMethodKinds[] = {"quantizer",   "range",       "rounding",
                                        "requantizer", "accumulator", "norm"};

bool is_accumulator(const std::string& site) { return sites::find(site)->takes_accumulator(); }

/// A name, or {"name": ...}, or a list of them, with the place of each.
std::vector<Written> written_names(const Json& value, const std::string& where) {
  const auto written = [](const Json& name, const std::string& place) -> Written {
    if (!name.is_object()) return {name.get<std::string>(), place};
    return {name["name"].get<std::string>(), place + "/name", true};
  };
  if (!value.is_array()) return {written(value, where)};
  std::vector<Written> names;
  for (std::size_t i = 0; i < value.size(); ++i) {
    names.push_back(written(value[i], fmt::format("{}/{}", where, i)));
  }
  return names;
}

/// The sites that one name of a rule stands for.
std::vector<std::string> expand_site(const std::string& name, const std::string& where) {
  const bool is_family = name.size() > 2 && name.ends_with(".*");  // "norm.*"
  const std::string prefix = name.substr(0, name.size() - 1);
  std::vector<std::string> found, known;
  for (const sites::Site& site : sites::table()) {
    const bool belongs = name == "*"             ? site.is_in_star
                         : name == "accumulator" ? site.takes_accumulator()
                         : is_family             ? std::string_view(site.name).starts_with(prefix)
                                                 : name == site.name;
    if (belongs) found.emplace_back(site.name);
    known.emplace_back(site.name);
  }
  if (!found.empty()) return found;
  known.insert(known.end(), {"accumulator", "norm.*", "*"});
  throw InputError(
      fmt::format("{}: \"{}\" is not a site{}", where, name, json::nearest_or_known(name, known)));
}

class Resolver {
 public:
  Resolver(const Json& text, RuleUse use, std::string name, std::string pointer,
           const registry::Registry& registry)
      : text_(text),
        use_(use),
        name_(std::move(name)),
        pointer_(std::move(pointer)),
        registry_(registry) {}

  Rule resolve() {
    read_places();
    check_methods();
    check_sites();
    for (const char* kind : kMethodKinds) {
      if (!has(kind)) continue;
      rule_.body[kind] = text_[kind].is_null() ? Json(nullptr) : resolve(kind);
    }
    for (const char* key : kPlainKeys) {
      if (has(key)) rule_.body[key] = text_[key];
    }
    check_meaning();
    return std::move(rule_);
  }

 private:
  /// A method of the rule. A quantizer that leaves its part out gets that of its sites: here where
  /// all give the same one, otherwise at each site.
  Json resolve(const std::string& kind) {
    const Json& text = text_[kind];
    const registry::Method& method =
        registry_.require(kind, text["plugin"].get<std::string>(), key(kind) + "/plugin");
    if (!sites::lacks_part(method, text)) {
      return resolve_method(registry_, kind, text, key(kind), rule_.notes);
    }
    const std::vector<std::string> parts = sites::parts_at(method, rule_.sites, key(kind));
    Json resolved;
    Notes all;
    for (const std::string& part : parts) {
      Json with_part = text;
      with_part["part"] = part;
      Notes here;
      resolved = resolve_method(registry_, kind, with_part, key(kind), here);
      if (part == parts.front()) all = here;
      std::erase_if(all.warnings, [&](const Warning& w) {  // idle at every site
        return std::find(here.warnings.begin(), here.warnings.end(), w) == here.warnings.end();
      });
    }
    rule_.notes.add(all);
    if (parts.size() > 1) resolved.erase("part");
    return resolved;
  }
  [[nodiscard]] bool has(const char* name) const { return text_.contains(name); }
  [[nodiscard]] bool is_set(const char* name) const { return has(name) && !text_[name].is_null(); }
  [[nodiscard]] std::string key(const std::string& member) const {
    return name_ + ": " + pointer_ + "/" + member;
  }
  [[noreturn]] void refuse(const std::string& member, const std::string& message) const {
    throw InputError(
        fmt::format("{}: {}", member.empty() ? json::at(name_, pointer_) : key(member), message));
  }

  void read_places() {
    if (has("site")) {
      std::vector<std::string> named;
      for (const Written& site : written_names(text_["site"], key("site"))) {
        const std::vector<std::string> found = expand_site(site.name, site.where);
        if (found.size() == 1) rule_.site_names.push_back(site);
        named.insert(named.end(), found.begin(), found.end());
      }
      for (const sites::Site& site : sites::table()) {  // each once, in the order of the table
        if (std::find(named.begin(), named.end(), site.name) != named.end()) {
          rule_.sites.emplace_back(site.name);
        }
      }
    }
    if (has("layers")) rule_.layers = written_names(text_["layers"], key("layers"));
    if (has("from")) {
      rule_.from_epoch = text_["from"].value("epoch", std::uint64_t{0});
      rule_.from_step = text_["from"].value("step", std::uint64_t{0});
    }
    if (has("slot")) rule_.slot = known_slot();
    rule_.body = Json::object();
  }

  [[nodiscard]] std::string known_slot() const {
    const std::vector<std::string> known(std::begin(sites::kNormSlots),
                                         std::end(sites::kNormSlots));
    const auto slot = text_["slot"].get<std::string>();
    if (std::find(known.begin(), known.end(), slot) != known.end()) return slot;
    refuse("slot", fmt::format("\"{}\" is no internal of a norm{}", slot,
                               json::nearest_or_known(slot, known)));
  }

  [[nodiscard]] bool is_lone_requantizer() const {
    return use_ == RuleUse::kAlone && has("requantizer") && !has("quantizer") &&
           !has("accumulator") && !has("norm");
  }

  /// Which of quantizer, range, rounding, clamp, accumulator, norm may stand together.
  void check_methods() const {
    const bool lone_rounding = use_ == RuleUse::kAlone && has("rounding");
    const bool lone_requantizer = is_lone_requantizer();
    // A clamp alone is a setting of the quantizer that earlier rules placed.
    const bool lone_clamp = use_ == RuleUse::kPipeline && has("clamp") && !has("quantizer");
    const bool is_lone = lone_rounding || lone_requantizer || lone_clamp;
    if (!has("quantizer") && !has("accumulator") && !has("norm") && !is_lone) {
      for (const char* part : {"range", "rounding", "requantizer", "clamp", "pad", "dynamic"}) {
        if (has(part)) refuse(part, "acts inside a quantizer; expected \"quantizer\" in this rule");
      }
      refuse("", "the rule has nothing in it; expected \"quantizer\", \"accumulator\" or \"norm\"");
    }
    if (has("quantizer") && has("accumulator")) {
      refuse("accumulator",
             "a quantizer and an accumulator have no site in common; expected two rules");
    }
    if (has("norm")) {
      for (const char* part : {"site", "slot", "quantizer", "range", "rounding", "requantizer",
                               "clamp", "when", "pad", "dynamic", "accumulator"}) {
        if (has(part))
          refuse(part, "has no meaning beside \"norm\", which stands with \"layers\" and \"from\"");
      }
      return;
    }
    for (const char* part : {"range", "requantizer", "clamp", "when", "pad", "dynamic"}) {
      const bool stands_alone = std::string_view(part) == "clamp"
                                    ? lone_clamp
                                    : std::string_view(part) == "requantizer" && lone_requantizer;
      if (has(part) && !is_set("quantizer") && !stands_alone)
        refuse(part, "acts inside a quantizer, and this rule has none");
    }
    if (has("rounding") && !is_set("quantizer") && !is_set("accumulator") && !lone_rounding) {
      refuse("rounding", "acts inside a quantizer or accumulator, and this rule has none");
    }
    if (has("clamp")) check_clamp();
  }

  void check_clamp() const {
    if (has("requantizer")) {
      refuse("clamp",
             "clips real values, and a requantizer has none; expected a narrower quantizer");
    }
    const double low = text_["clamp"]["low"].get<double>();
    const double high = text_["clamp"]["high"].get<double>();
    if (low < high) return;
    refuse("clamp", fmt::format("low {} is not below high {}", text_["clamp"]["low"].dump(),
                                text_["clamp"]["high"].dump()));
  }

  void check_sites() const {
    if (has("norm")) return;
    if (use_ == RuleUse::kAlone && has("requantizer") && !is_lone_requantizer()) {
      refuse("requantizer",
             "acts on sums, the rest of the rule on real values; expected two rules");
    }
    if (!has("site")) {
      if (use_ == RuleUse::kPipeline) refuse("", "missing key \"site\"");
      return;
    }
    for (const std::string& site : rule_.sites) {
      if (is_accumulator(site) && !has("accumulator")) {
        refuse("site", fmt::format("\"{}\" takes an accumulator, this rule has a quantizer", site));
      }
      check_keys_at(*sites::find(site));
      if (!is_accumulator(site) && has("accumulator")) {
        refuse("site", fmt::format("\"{}\" takes a quantizer, this rule has an accumulator", site));
      }
    }
    if (use_ == RuleUse::kAlone) {
      for (const char* key : {"when", "pad", "dynamic"}) {
        if (has(key)) refuse(key, "has a meaning in a run alone");
      }
    }
    if (has("slot") && (rule_.sites.size() != 1 || rule_.sites[0] != "norm")) {
      refuse("slot", "names an internal of a norm layer; expected \"site\": \"norm\"");
    }
  }

  /// Keys that only some sites take.
  void check_keys_at(const sites::Site& site) const {
    if (has("when") && !site.is_stored()) {
      refuse("when", fmt::format("is for stored parameters, not for \"{}\"; expected the sites "
                                 "\"weight\" or \"bias\"",
                                 site.name));
    }
    if (has("requantizer") && !site.stands_behind_sums()) {
      refuse("requantizer",
             fmt::format("makes codes out of sums, which \"{}\" has not in front of it; expected "
                         "the sites \"output\" or \"logits\"",
                         site.name));
    }
    if (has("pad") && !site.is_read_by_contraction()) {
      refuse("pad", fmt::format("{} pads what a contraction reads, not \"{}\"; expected the sites "
                                "\"input\" or \"activation\"",
                                text_["pad"].dump(), site.name));
    }
    if (has("dynamic") && !site.tracks_range()) {
      refuse("dynamic", fmt::format("is for values between layers; at \"{}\" each tensor has a "
                                    "range of its own anyway",
                                    site.name));
    }
  }

  /// The quantizer is one for the rule's sites.
  void check_meaning() const {
    if (!is_set("quantizer")) return;
    const Json& quantizer = rule_.body["quantizer"];
    const registry::Method* method =
        registry_.find("quantizer", quantizer["plugin"].get<std::string>());
    sites::check_meant_sites(*method, quantizer, rule_.sites, key("quantizer"));
    registry::for_each_inner(
        registry_, *method, quantizer,
        [&](const registry::Method& inner, const Json& object, const std::string& at) {
          sites::check_meant_sites(inner, object, rule_.sites, key("quantizer") + at);
        });
  }

  const Json& text_;
  RuleUse use_;
  std::string name_, pointer_;
  const registry::Registry& registry_;
  Rule rule_;
};

}  // namespace

Json resolve_method(const registry::Registry& registry, const std::string& kind, const Json& object,
                    const std::string& where, Notes& notes) {
  const methods::MethodSpec spec = methods::resolve(registry, kind, object, where);
  const Json params = methods::parameters_of(object);
  const registry::CurrentNames now = registry::current_names(*spec.method, params, where);
  for (const registry::OldName& name : now.old_names) {
    const std::string value =
        name.value == params[name.old_name] ? "" : ": " + json::shown(name.value);
    notes.warnings.push_back({where + json::pointer_part(name.old_name),
                              fmt::format("is now called \"{}\"{}", name.name, value)});
    notes.renamed.push_back({where, name});
  }
  for (Warning& idle : idle_parameters(*spec.method, now, spec.params, where)) {
    notes.warnings.push_back(std::move(idle));
  }
  for (const auto& [name, inner_kind] : spec.method->inner) {
    if (!now.params.contains(name) || now.params[name].is_null()) continue;
    static_cast<void>(  // for its notes; the method is resolved in spec
        resolve_method(registry, inner_kind, now.params[name],
                       where + json::pointer_part(now.written(name)), notes));
  }
  return methods::to_json(spec);
}

Rule resolve_rule(const Json& text, RuleUse use, const std::string& name,
                  const std::string& pointer, const registry::Registry& registry) {
  Rule rule = Resolver(text, use, name, pointer, registry).resolve();
  rule.where = name + ": " + pointer;
  return rule;
}

}  // namespace qloom::pipeline
