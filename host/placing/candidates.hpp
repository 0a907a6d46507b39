// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What the layers of a model offer to rules.
#pragma once

#include <string>
#include <vector>

#include "host/network/model.hpp"
#include "host/pipeline/pipeline.hpp"
#include "host/sites/site.hpp"

namespace qloom::placing {

struct Candidate {
  const network::Layer* layer = nullptr;
  pipeline::NamedLayer names;
  bool reads_input = false;   ///< the network's input reaches it without a contraction between
  bool gives_logits = false;  ///< the model's last layer
  const network::Layer* output = nullptr;  ///< the last layer of its group; null: that is the
                                           ///< model's last, whose output is the logits
  bool has_bias = false;                   ///< or may get one when a norm is folded
};

/// One for each layer of the model, in its order.
[[nodiscard]] std::vector<Candidate> candidates(const pipeline::Pipeline& pipeline,
                                                const network::Model& model);

/// Does the layer have the site?
[[nodiscard]] bool has_site(const Candidate& candidate, const sites::Site& site);

/// InputError unless the rule means something here: every entry of "layers" names a layer with one
/// of the rule's sites, every site that is written out is one that a named layer has, and a layer
/// that is written out by its name has each of them. "input" and "activation" written together are
/// one site, whatever the contraction reads.
void check_selection(const pipeline::Rule& rule, const std::vector<Candidate>& layers);

}  // namespace qloom::placing
