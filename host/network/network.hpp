// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A model that can be lowered, run and trained: the parts, and what they do together.
#pragma once

#include <set>
#include <string>

#include "host/network/graph.hpp"
#include "host/network/norms.hpp"
#include "host/network/parameters.hpp"
#include "host/network/plan/accumulators.hpp"
#include "host/network/plan/plan.hpp"
#include "host/network/site_table.hpp"

namespace qloom::network {

class Network {
 public:
  /// `length`: of the training to come, for methods that follow its course.
  Network(Model model, const registry::Registry& registry, std::uint64_t seed,
          TrainingLength length = {});

  // Each part keeps its own promises.
  Graph graph;
  Parameters parameters;
  SiteTable sites;
  Norms norms;
  Accumulators accumulators;
  Plan plan;

  /// Builds the plan for this placement; see Lowering.
  void lower(const Placement& placement);
  [[nodiscard]] const Placement& placement() const { return placement_; }
  /// The norm hands its input on from the next lower() on; its producer gets a zero bias if it has
  /// none.
  void remove_norm(int norm_layer);
  /// One optimizer step on all parameters; `count` steps were done since its arrays began.
  void update(const OptimizerSettings& settings, const Phase& phase, std::uint64_t count);
  /// The optimizer's arrays begin anew.
  void reset_optimizer();
  /// Creates every method of the set anew, from its library's present code, with the state of the
  /// one it replaces. InputError or RunError when one is refused or refuses the state: nothing has
  /// changed then.
  void renew(const std::set<const registry::Method*>& methods);
  /// Name of the first node, in order, whose values are not all finite, of a parameter or of a
  /// learned one, or "".
  [[nodiscard]] std::string first_non_finite() const;

  /// Parameters and norm statistics; with `everything` also optimizer state, sites and shadows.
  [[nodiscard]] data::Arrays save(bool everything) const;
  /// Removed norms of a checkpoint, to be called before lower() and the next ones.
  void load_structure(data::ArrayReader& reader);
  /// Starting weights: parameters of any type that to_float32() takes, norm statistics where the
  /// file has them. InputError when an array is missing, of another type or shape.
  void load_weights(data::ArrayReader& reader);
  /// All that save(true) wrote, types and shapes exactly; InputError as above.
  void load_everything(data::ArrayReader& reader);

 private:
  const registry::Registry* registry_;
  Placement placement_;
};

/// Are there values that evaluation uses in place of the parameters'?
[[nodiscard]] bool has_shadows(const Network& network);
void drop_shadows(Network& network);
/// Shadows, and their norm statistics, where the file has them.
void load_shadows(Network& network, data::ArrayReader& reader);

/// The form of a parameter that the contraction saw in the last pass.
[[nodiscard]] const Tensor& last_seen(const Network& network, const Parameter& parameter);
/// The quantized form of a parameter with its present value (evaluation's random words at the last
/// pass's step); the value itself where nothing has been trained or calibrated with the quantizer.
const Tensor& quantized(const Network& network, Parameter& parameter);
/// y = the parameter's quantizer, which it has, on x of its shape, as evaluation at the last pass's
/// step applies it; x gives it its first values where it has none yet.
void quantize(const Network& network, Parameter& parameter, const Tensor& x, Tensor& y);

}  // namespace qloom::network
