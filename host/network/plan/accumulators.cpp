// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/network/plan/accumulators.hpp"

namespace qloom::network {

void Accumulators::place(const std::map<SiteKey, AccumulatorSpec>& specs) {
  specs_ = specs;
  std::erase_if(places_, [&](const auto& entry) {
    const auto now = specs_.find(entry.first);
    return now == specs_.end() || !(now->second == entry.second.spec);
  });
}

AccumulatorRef Accumulators::reference(const Node& node, std::size_t sum, const Pass& pass) {
  const SiteKey& key = node.accumulators[sum];
  const auto spec = specs_.find(key);
  if (spec == specs_.end() || pass.rules != Pass::Rules::kOn) return {};
  auto& site = places_[key];
  if (!site.accumulator) {
    site.spec = spec->second;
    const SampleShape& of =
        key.site->value == sites::Value::kSumDx ? node.layer->in : node.layer->out;
    const qloom_site record = sites::record_of(key, static_cast<std::uint64_t>(of.channels),
                                               static_cast<std::uint64_t>(node.weight->fan_in));
    site.accumulator = methods::Accumulator(*registry_, site.spec, &record, key.text());
  }
  return site.accumulator.ref(
      seed_, pass.phase.step, pass.phase.training,
      pass.counts_overflows ? &overflows_[site.accumulator.place()] : &uncounted_);
}

void Accumulators::try_anew(const std::set<const registry::Method*>& methods) const {
  for (const auto& [key, place] : places_) {
    for (const MethodSpec* spec : {&place.spec.accumulator, &place.spec.rounding}) {
      if (!methods::is_of(*registry_, *spec, methods)) continue;
      static_cast<void>(probe_of(*registry_, *spec, &key));
    }
  }
}

void Accumulators::forget(const std::set<const registry::Method*>& methods) {
  std::erase_if(places_, [&](const auto& entry) {
    return methods::is_of(*registry_, entry.second.spec.accumulator, methods) ||
           methods::is_of(*registry_, entry.second.spec.rounding, methods);
  });
}

void Accumulators::save(data::Arrays& all) const {
  for (const auto& [name, count] : overflows_) {
    all["overflows/" + name] = {{1}, std::vector<std::int64_t>{static_cast<std::int64_t>(count)}};
  }
}

void Accumulators::load(data::ArrayReader& reader) {
  overflows_.clear();
  for (const std::string& name : reader.names_below("overflows/")) {
    const std::int64_t count = reader.read<std::int64_t>(name, {1})[0];
    if (count < 0) reader.refuse(name, "a count, not below 0");
    overflows_[name.substr(name.find('/') + 1)] = static_cast<std::uint64_t>(count);
  }
}

}  // namespace qloom::network
