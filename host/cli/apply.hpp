// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// One method on one array: what `qloom apply` does between reading and writing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "host/cli/apply_given.hpp"
#include "host/pipeline/pipeline.hpp"
#include "host/registry/registry.hpp"
#include "host/tensor/tensor.hpp"

namespace qloom::cli {

enum class Mode { kTraining, kEvaluate, kFrozen };

struct Request {
  Tensor x;
  std::optional<Tensor> dy;           ///< gradient of the output, shape of x
  std::optional<Tensor> weight;       ///< of an accumulator: k x n, where k is the last axis of x
  std::optional<Tensor> calibration;  ///< what a quantizer's range or first values come from
  Given given;                        ///< values in place of those that a method would find
  bool wants_codes = false, wants_encoding = false;
  int channel_axis = -1;
  std::uint64_t seed = 1, step = 0;
  Mode mode = Mode::kTraining;
};

/// learned: name -> array of gradients.
struct Result {
  Tensor y, dx;
  std::vector<std::int32_t> codes;
  json::Json encoding, learned = json::Json::object();
};

/// Random words are those of stream "apply" (host/tensor/random.hpp, stream_id), or
/// "apply/evaluate" in that mode.
inline constexpr const char* kApplyStream = "apply";

/// Applies the rule's quantizer, norm, lone rounding, lone requantizer or accumulator. InputError
/// for a rule that has nothing to do to an array, and for a wish that the method cannot fulfil.
[[nodiscard]] Result apply_rule(const pipeline::Rule& rule, const registry::Registry& registry,
                                const Request& request);

/// Of a rule with a quantizer.
[[nodiscard]] Result apply_quantizer(const pipeline::Rule& rule, const registry::Registry& registry,
                                     const Request& request);

/// Of a rule with a requantizer alone: integers along the channel axis to codes.
[[nodiscard]] Result apply_requantizer(const pipeline::Rule& rule,
                                       const registry::Registry& registry, const Request& request);

}  // namespace qloom::cli
