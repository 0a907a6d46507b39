// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/methods/driver.hpp"

namespace qloom::methods {

registry::Instance create(const registry::Registry& registry, const MethodSpec& spec,
                          const qloom_site* site) {
  return registry.create(*spec.method, spec.params, site);
}

void Driver::save(data::Arrays& all, const std::string& prefix) const {
  if (!instance_) return;
  for (auto& [key, array] : instance_.save()) all[prefix + key] = std::move(array);
}

std::int32_t Driver::state_version() const {
  return instance_ ? static_cast<std::int32_t>(instance_.state_version()) : 0;
}

void Driver::take_state(const Driver& from) {
  instance_.load(from.instance_.save(), from.instance_.state_version());
}

void Driver::check(const char* said, qloom_status status, const qloom_error& error,
                   Names names) const {
  if (status == QLOOM_OK) return registry::require_floating_point();
  const bool has_place = names == Names::kPlace && !place_.empty();
  const std::string text = has_place ? std::string(said) + " " + place_ : std::string(said);
  registry::check(instance_.method(), text.c_str(), status, error);
}

}  // namespace qloom::methods
