// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The norms of a network by layer. Lowering calls start(), then make() for each, then finish().
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "host/data/arrays/array_reader.hpp"
#include "host/network/norm_layer.hpp"

namespace qloom::network {

class Norms {
 public:
  using Map = std::map<std::string, std::shared_ptr<NormLayer>>;

  explicit Norms(const registry::Registry& registry) : registry_(&registry) {}

  void start();
  /// The norm of the layer with the state that it had.
  std::shared_ptr<NormLayer> make(const MethodSpec& spec, const Layer& layer, std::int64_t fan_in);
  void finish() { old_.clear(); }

  /// All norms, those with methods of the set created anew; see SiteTable::renewed().
  [[nodiscard]] Map renewed(const std::set<const registry::Method*>& methods,
                            const Model& model) const;
  void replace(Map norms) { all_ = std::move(norms); }

  /// The norms' statistics of the shadows become their own; see NormLayer::add_shadow().
  void add_shadows();
  void drop_shadows();

  /// Statistics; with `everything` also those of the shadows.
  void save(data::Arrays& all, bool everything) const;
  /// Where the file has them; warns where it has not.
  void load_weights(data::ArrayReader& reader);
  void load_everything(data::ArrayReader& reader);
  void load_shadows(data::ArrayReader& reader);

 private:
  const registry::Registry* registry_;
  Map all_, old_;
};

}  // namespace qloom::network
