// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What a contraction's operands and a quantizer must be for an integer program.
#pragma once

#include <string>
#include <vector>

#include "host/compile/compile.hpp"

namespace qloom::compile {

/// A rule that would put integer codes there.
[[nodiscard]] std::string rule_for(const std::string& site, const std::string& layer);

/// Does the accumulator alone say what a sum is?
[[nodiscard]] inline bool is_modelled(const contraction::AccumulatorRef& accumulator) {
  return accumulator.ops != nullptr && accumulator.ops->is_exact(accumulator.self) == 0;
}

/// What is missing at a contraction that has run; empty where it adds integer codes exactly or in a
/// register (register.hpp).
/// `from`: the node that it reads; `makes_logits`: no sum follows its own.
[[nodiscard]] std::vector<Refusal> refusals_at(const Node& contraction, const Node& from,
                                               const contraction::AccumulatorRef& accumulator,
                                               bool makes_logits);

/// Of a layer with two sums (network/plan/weight_planes.hpp) that no requantizer joins.
[[nodiscard]] Refusal planes_refusal(const std::string& layer, bool makes_logits);

/// Why the codes of a quantizer are no fixed function of a value; empty where they are.
[[nodiscard]] std::string fault_of(SiteQuantizer& site, const network::Phase& phase);

/// Codes and zero point of a quantizer whose codes are such a function, as contractions take them
/// (sites::Coding).
struct CodeSpace {
  steps::Interval codes;
  std::int64_t zero_point = 0;
  double scale = 0;
};
[[nodiscard]] CodeSpace code_space_of(const SiteQuantizer& site);

}  // namespace qloom::compile
