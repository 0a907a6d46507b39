// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The modelled accumulators of a network's contractions.
#pragma once

#include <map>
#include <set>
#include <string>

#include "host/data/arrays/array_reader.hpp"
#include "host/methods/accumulator.hpp"
#include "host/network/pass.hpp"
#include "host/network/plan/node.hpp"

namespace qloom::network {

class Accumulators {
 public:
  Accumulators(const registry::Registry& registry, std::uint64_t seed)
      : registry_(&registry), seed_(seed) {}

  /// What the rules put at the sums from now on; instances go on where nothing changed.
  void place(const std::map<SiteKey, AccumulatorSpec>& specs);
  /// For sum 0 (forward), 1 (dx) or 2 (dw) of a contraction; none without a rule.
  [[nodiscard]] AccumulatorRef reference(const Node& node, std::size_t sum, const Pass& pass);
  /// InputError or RunError when a method of the set cannot be made.
  void try_anew(const std::set<const registry::Method*>& methods) const;
  /// Those of the set are made anew at their next use; they hold no state.
  void forget(const std::set<const registry::Method*>& methods);

  /// By site, "accumulator.forward/conv1".
  [[nodiscard]] const std::map<std::string, std::uint64_t>& overflows() const { return overflows_; }
  void save(data::Arrays& all) const;
  void load(data::ArrayReader& reader);

 private:
  struct Place {
    AccumulatorSpec spec;
    methods::Accumulator accumulator;  ///< its place: "accumulator.forward/conv1"
  };

  const registry::Registry* registry_;
  std::uint64_t seed_;
  std::map<SiteKey, AccumulatorSpec> specs_;
  std::map<SiteKey, Place> places_;
  std::map<std::string, std::uint64_t> overflows_;
  std::uint64_t uncounted_ = 0;
};

}  // namespace qloom::network
