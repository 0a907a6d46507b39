// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Do the norms fit the batches, and the rules for the site "norm" the norms? Asked of the methods
// themselves, on instances of their own.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "host/network/network.hpp"
#include "host/pipeline/pipeline.hpp"
#include "host/results/warnings.hpp"

namespace qloom::run {

class NormSettings {
 public:
  /// `samples`: training samples in all.
  NormSettings(const pipeline::Pipeline& pipeline, std::int64_t samples,
               const registry::Registry& registry);

  /// The network as lowered for one moment of the run. InputError when a norm refuses the smallest
  /// batch of an epoch; a warning when it gives the same output there whatever the input.
  void see(network::Network& network, results::Warnings& warnings);
  /// After all moments. InputError for a rule that quantizes internals of norms of which none of
  /// its layers' norms had one.
  void finish() const;

 private:
  void check_batch(const network::Node& node, results::Warnings& warnings) const;

  const pipeline::Pipeline* pipeline_;
  const registry::Registry* registry_;
  std::int64_t least_ = 0;  ///< samples of the smallest batch of an epoch; 0: nothing is trained
  std::vector<std::set<std::string>> slots_;  ///< per rule: internals that its norms have
};

}  // namespace qloom::run
