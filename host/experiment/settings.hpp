// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Settings that are valid one by one and mean nothing together with this data and model.
#pragma once

#include "host/data/dataset.hpp"
#include "host/experiment/warnings.hpp"
#include "host/pipeline/pipeline.hpp"

namespace qloom::experiment {

/// Warns about what a sweep over methods or lengths may mean: rules and schedules that begin after
/// the end of training, more batches than there are.
void check_settings(const pipeline::Pipeline& pipeline, const data::Dataset& dataset,
                    Warnings& warnings);

}  // namespace qloom::experiment
