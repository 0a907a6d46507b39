// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What all kinds share: a method at the place where it acts. Every call has a record, which a crash
// is reported with, and every refusal becomes one message.
#pragma once

#include <string>
#include <utility>

#include "host/methods/method.hpp"
#include "host/registry/calls/call_record.hpp"
#include "host/registry/registry.hpp"

namespace qloom::methods {

/// site: where it will act; null outside a network. InputError for parameters that it refuses.
[[nodiscard]] registry::Instance create(const registry::Registry& registry, const MethodSpec& spec,
                                        const qloom_site* site = nullptr);

class Driver {
 public:
  Driver() = default;
  /// place: where it acts, for messages and crash texts: "weight/conv1"; "" outside a network.
  explicit Driver(registry::Instance instance, std::string place = {})
      : instance_(std::move(instance)), place_(std::move(place)) {}

  [[nodiscard]] explicit operator bool() const { return static_cast<bool>(instance_); }
  [[nodiscard]] const registry::Instance& instance() const { return instance_; }
  [[nodiscard]] registry::Instance& instance() { return instance_; }
  [[nodiscard]] const registry::Method& method() const { return instance_.method(); }
  [[nodiscard]] const std::string& place() const { return place_; }

  /// Adds the method's state to `all`, each array's key after `prefix`. None: nothing.
  void save(data::Arrays& all, const std::string& prefix) const;
  /// The version of what save() writes; 0 where there is no method.
  [[nodiscard]] std::int32_t state_version() const;
  /// Makes this one hold what another one holds.
  void take_state(const Driver& from);

 protected:
  enum class Names { kPlace, kMethodAlone };

  [[nodiscard]] void* self() const { return instance_.self(); }
  /// body(), a call of the method's function `what`.
  template <class Body>
  auto recorded(const char* what, const Body& body) const {
    return registry::recorded(instance_.method(), what, place_.c_str(), body);
  }
  /// Throws registry::Refusal where the method refused: "<kind> "<id>": <said> <place>: <reason>".
  void check(const char* said, qloom_status status, const qloom_error& error,
             Names names = Names::kPlace) const;
  /// body(error), a call that may be refused; `said` is its word in the message, null: `what`.
  template <class Body>
  void call(const char* what, const Body& body, const char* said = nullptr,
            Names names = Names::kPlace) const {
    qloom_error error = registry::empty_error();
    const qloom_status status = recorded(what, [&] { return body(&error); });
    check(said == nullptr ? what : said, status, error, names);
  }

 private:
  registry::Instance instance_;
  std::string place_;
};

}  // namespace qloom::methods
