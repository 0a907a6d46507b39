// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The quantizers of a network by reader, and what they take over when it is lowered again.
// Lowering calls start(), then make() or share() for each reader, then finish().
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "host/data/arrays/array_reader.hpp"
#include "host/network/names.hpp"
#include "host/network/parameter.hpp"

namespace qloom::network {

/// Last part of the name of the array with a reader's methods, as text.
inline constexpr const char* kSiteMethods = "@methods";

/// More than twelve functions: three of a lowering, four of a checkpoint, two of a swap of code.
class SiteTable {
 public:
  using Map = std::map<SiteKey, std::shared_ptr<SiteQuantizer>>;

  SiteTable(const registry::Registry& registry, std::uint64_t seed, TrainingLength length = {})
      : registry_(&registry), seed_(seed), length_(length) {}

  /// By reader; readers that share a node have the same one.
  [[nodiscard]] const Map& all() const { return sites_; }
  /// One optimizer step on the learned parameters; `count` steps were done before.
  void update(const OptimizerSettings& settings, std::uint64_t count);
  /// The optimizer's arrays of learned parameters begin anew.
  void reset_optimizer() { learned_state_.clear(); }
  /// Key of the first learned parameter that is not finite, or "".
  [[nodiscard]] std::string first_non_finite() const;

  /// The readers of before become what make() takes state from; `specs` is what the rules put.
  void start(const std::map<SiteKey, QuantizerSpec>& specs);
  /// What the rules put at a reader, or null; `signed: auto` as the site has it.
  [[nodiscard]] std::optional<QuantizerSpec> spec_at(const SiteKey& key) const;
  /// The quantizer of a reader, with the state that it had; null without a rule.
  std::shared_ptr<SiteQuantizer> make(const SiteKey& key, std::int64_t channels,
                                      std::int64_t fan_in, bool after_relu = false);
  /// Reader `key` gets the quantizer of reader `first`, unless it would lose state: then false.
  bool share(const SiteKey& first, const SiteKey& key, const QuantizerSpec& spec);
  void finish();

  /// all() with the methods of the set created anew, from their libraries' present code, with the
  /// state of those they replace. InputError or RunError when one is refused or refuses the state.
  [[nodiscard]] Map renewed(const std::set<const registry::Method*>& methods) const;
  void replace(Map sites) { sites_ = std::move(sites); }

  void save(data::Arrays& all) const;
  void load(data::ArrayReader& reader);
  /// What save() wrote becomes what the next lowering finds at each reader. InputError when an
  /// array is not what save() writes.
  void recall(data::ArrayReader& reader);

 private:
  struct LearnedState {
    std::vector<float> velocity, second;
  };

  /// What the reader's node held before the present lowering, or null.
  [[nodiscard]] const SiteState* before(const SiteKey& key) const;
  /// Fills before_ from the present sites.
  void remember();
  /// Optimizer state of learned parameters, from one node to another.
  void move_learned_state(const SiteKey& from, const SiteKey& to);
  void load_learned_state(data::ArrayReader& reader);

  const registry::Registry* registry_;
  std::uint64_t seed_;
  TrainingLength length_;
  std::map<SiteKey, QuantizerSpec> specs_;
  Map sites_, old_sites_;
  std::map<SiteKey, std::shared_ptr<const SiteState>> before_;             ///< by reader
  std::map<std::string, LearnedState> learned_state_, old_learned_state_;  ///< "<node>/<name>"
};

}  // namespace qloom::network
