// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// All trainable tensors of a network.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "host/data/arrays/array_reader.hpp"
#include "host/network/model.hpp"
#include "host/network/parameter.hpp"

namespace qloom::network {

[[nodiscard]] bool is_finite(const Tensor& x);

class Parameters {
 public:
  explicit Parameters(std::uint64_t seed) : seed_(seed) {}

  /// From now on parameters are made without their values.
  void plan_only() { has_values_ = false; }
  /// The parameter of this role, made where the layer has none yet: 0, or 1 for gamma.
  Parameter* get(const Layer& layer, std::uint32_t role, Shape shape, std::int64_t fan_in);
  void drop_norm(const std::string& layer);
  /// list() is in the order of the model's layers from now on.
  void order(const Model& model);
  [[nodiscard]] const std::vector<Parameter*>& list() const { return ordered_; }
  /// Seeded initial weights: normal sqrt(2 / fan_in) or uniform +-sqrt(6 / fan_in) (He et al.,
  /// 2015).
  void initialise(const Model& model);
  /// "conv1/weight", or "gradient of conv1/weight" where there are gradients; "" when all are
  /// finite.
  [[nodiscard]] std::string first_non_finite(bool has_gradients) const;

  /// Values; with `everything` also optimizer state, shadows and controls.
  void save(data::Arrays& all, bool everything) const;
  /// Parameters of any type that to_float32() takes. InputError when an array is missing, of
  /// another type or shape.
  void load_weights(data::ArrayReader& reader);
  /// What save() wrote, but for shadows; types and shapes exactly.
  void load_everything(data::ArrayReader& reader);
  void load_shadows(data::ArrayReader& reader);
  /// Held elements and their importance, where the file has them.
  void load_held(data::ArrayReader& reader);

 private:
  std::uint64_t seed_;
  bool has_values_ = true;
  std::map<std::string, std::unique_ptr<Parameter>> all_;  ///< by "<layer>/<role>"
  std::vector<Parameter*> ordered_;
};

}  // namespace qloom::network
