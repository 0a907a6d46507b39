// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// From a trained network to its integer program. What lies between two contractions is absorbed
// into thresholds; what has no integer form is named, all of it at once.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "host/compile/routes/absorb.hpp"
#include "host/network/network.hpp"
#include "host/program/program.hpp"

namespace qloom::compile {

/// Why a layer has no integer form, and what would give it one.
struct Refusal {
  std::string layer, reason, repair;
};

/// What stands in the simulation for a tensor of the program.
struct Source {
  enum class What {
    kBytes,    ///< the image
    kSums,     ///< integer sums of the contraction `node`
    kPlane,    ///< those of number `plane` of its planes of weights
    kHanded,   ///< codes whose values the node hands on
    kOwnSums,  ///< exact sums of codes that the node made: an add or an average pool
    kWindows,  ///< those of an average pool before they stand for one number of elements
    kCodes,    ///< codes that `site` makes of the values of `node`, after the layers `behind`
    kLogits,   ///< the sums of the last contraction at one scale: no tensor of the simulation
    kClass     ///< index of the largest logit
  } what = What::kBytes;
  const Node* node = nullptr;
  SiteQuantizer* site = nullptr;
  std::vector<const Node*> behind{};  ///< that work element by element, of whose values a pool or
                                      ///< a move in between chooses
  std::size_t plane = 0;
};

/// What was found for one operation, beside the operation itself.
struct Finding {
  std::string requantizer;  ///< "thresholds", "table", "multiplier", or the rule's method; empty:
                            ///< there is none
  Proof proof;
  std::optional<std::uint64_t> fitting_channels;  ///< where a multiplier was looked for
  bool is_simulated = false;                      ///< the simulation computes with these very steps
};

struct Compiled {
  program::Program program;       ///< where there are no refusals
  std::vector<Source> sources;    ///< of each tensor
  std::vector<Finding> findings;  ///< of each operation
  std::vector<Refusal> refusals;
  bool has_float_logits = false;  ///< the meaning of the logits in real numbers remains
};

struct Options {
  int multiplier_bits = 0;  ///< of multipliers that take the place of thresholds where they give
                            ///< the same codes in every channel of a layer; 0: none
};

/// The program of what the network computed in its last pass, one of evaluation on any samples:
/// operands are those of that pass. What it has learned stays as it is.
[[nodiscard]] Compiled compile(network::Network& network, const Pixels& pixels,
                               const Options& options = {});

/// Products of a conv or dense for one sample; 0 for other operations.
[[nodiscard]] std::int64_t products_of(const program::Op& op);

}  // namespace qloom::compile
