// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/network/plan/accumulators.hpp"

#include "host/tensor/random.hpp"

namespace qloom::network {

void Accumulators::place(const std::map<SiteKey, AccumulatorSpec>& specs) {
  specs_ = specs;
  std::erase_if(places_, [&](const auto& entry) {
    const auto now = specs_.find(entry.first);
    return now == specs_.end() || !(now->second == entry.second.spec);
  });
}

qloom_status Accumulators::accumulate(const AccumulatorRef& ref, const qloom_call& call,
                                      const qloom_tile& tile, std::uint64_t& overflows) noexcept {
  const auto& site = *static_cast<const Place*>(ref.watcher);
  const registry::CallRecord record(site.accumulator.method(), "accumulate", site.name.c_str());
  return ref.ops->accumulate(ref.self, &call, &tile, &overflows);
}

AccumulatorRef Accumulators::reference(const Node& node, std::size_t sum, const Pass& pass) {
  const SiteKey& key = node.accumulators[sum];
  const auto spec = specs_.find(key);
  if (spec == specs_.end() || pass.rules != Pass::Rules::kOn) return {};
  auto& site = places_[key];
  if (!site.accumulator) {
    site.spec = spec->second;
    site.name = key.text();
    const SampleShape& of =
        key.site->value == sites::Value::kSumDx ? node.layer->in : node.layer->out;
    const qloom_site record = sites::record_of(key, static_cast<std::uint64_t>(of.channels),
                                               static_cast<std::uint64_t>(node.weight->fan_in));
    const auto make = [&](const MethodSpec& m) {
      return registry_->create(*m.method, m.params, &record);
    };
    site.accumulator = make(site.spec.accumulator);
    site.rounding = make(site.spec.rounding);
  }
  AccumulatorRef ref;
  ref.self = site.accumulator.self();
  ref.ops = &site.accumulator.ops<qloom_accumulator>();
  ref.around = &accumulate;
  ref.watcher = &site;
  ref.call.struct_size = sizeof(qloom_call);
  ref.call.training = pass.phase.training ? 1 : 0;
  ref.call.seed = seed_;
  ref.call.stream = stream_id(pass.phase.training ? site.name : site.name + "/evaluate");
  ref.call.step = pass.phase.step;
  ref.call.rounding = rounding_ref(site.rounding);
  ref.overflows = pass.counts_overflows ? &overflows_[site.name] : &uncounted_;
  return ref;
}

void Accumulators::try_anew(const std::set<const registry::Method*>& methods) const {
  for (const auto& [key, place] : places_) {
    for (const MethodSpec* spec : {&place.spec.accumulator, &place.spec.rounding}) {
      if (!methods.contains(spec->method)) continue;
      static_cast<void>(probe_of(*registry_, *spec, &key));
    }
  }
}

void Accumulators::forget(const std::set<const registry::Method*>& methods) {
  std::erase_if(places_, [&](const auto& entry) {
    return methods.contains(entry.second.spec.accumulator.method) ||
           methods.contains(entry.second.spec.rounding.method);
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
