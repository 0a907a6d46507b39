// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include "host/pipeline/pipeline.hpp"
#include "host/results/warnings.hpp"
#include "host/sites/placement.hpp"

namespace qloom::run {

/// Warns about parameters of one recipe that contradict each other: a manifest's "agrees_with"
/// names the parameters of other methods whose value is the same number.
void check_agreement(const pipeline::Pipeline& pipeline, const sites::Placement& placement,
                     const registry::Registry& registry, results::Warnings& warnings);

}  // namespace qloom::run
