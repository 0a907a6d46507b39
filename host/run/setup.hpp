// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What a run is made of and never changes.
#pragma once

#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "host/methods/procedure.hpp"
#include "host/network/network.hpp"
#include "host/pipeline/pipeline.hpp"
#include "host/placing/known_sites.hpp"
#include "host/placing/placing.hpp"
#include "host/results/warnings.hpp"
#include "host/run/batches.hpp"

namespace qloom::run {

/// A pipeline with its data and model, all of it checked; no weights are made.
class Setup {
 public:
  /// Loads data and model, and places the rules for every moment at which they change. InputError
  /// for wrong input.
  Setup(pipeline::Pipeline pipeline, const registry::Registry& registry,
        results::Warnings& warnings);

  const pipeline::Pipeline pipeline;
  const registry::Registry& registry;
  const Batches batches;
  const network::Model model;

  /// All methods of the pipeline, also those that act only before or after a swap.
  [[nodiscard]] const std::set<const registry::Method*>& methods() const { return methods_; }
  /// InputError when a stage would evaluate activations of which nothing before it says ranges or
  /// first values; returns what is known at the end. `known` is what the run starts from, `begun`
  /// its network then.
  placing::KnownSites check_stages(placing::KnownSites known, const network::Model& begun) const;

  /// Not yet lowered.
  [[nodiscard]] std::unique_ptr<network::Network> new_network() const;
  [[nodiscard]] std::vector<methods::Procedure> new_procedures() const;
  /// The loss that is told of a train stage: that of a procedure that puts its gradient in place of
  /// the stage's ("loss" of its manifest), otherwise the stage's.
  [[nodiscard]] std::string reported_loss(const pipeline::Stage& stage) const;
  [[nodiscard]] methods::MethodSpec spec_of(const pipeline::Procedure& procedure) const;
  /// Lowers the network as the rules, and those that procedures `added`, say once so much training
  /// is done.
  void lower(network::Network& network, placing::Moment done,
             std::span<const pipeline::Rule> added) const;
  /// lower() where rules with "from" begin to act at this step.
  void lower_if_due(network::Network& network, placing::Moment done,
                    std::span<const pipeline::Rule> added) const;

 private:
  std::set<const registry::Method*> methods_;
  std::set<std::uint64_t> swap_steps_;  ///< done steps at which rules with "from" begin to act
};

/// Adds the methods that act at the sites of a placement, those inside others too.
void collect_methods(const sites::Placement& placement, const registry::Registry& registry,
                     std::set<const registry::Method*>& methods);

}  // namespace qloom::run
