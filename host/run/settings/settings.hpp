// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Settings that are valid one by one and mean nothing together, or with this data and model. What a
// sweep over methods or lengths may mean is a warning, all else an InputError.
#pragma once

#include <vector>

#include "host/data/datasets/dataset.hpp"
#include "host/pipeline/pipeline.hpp"
#include "host/placing/placing.hpp"
#include "host/results/warnings.hpp"

namespace qloom::run {

/// Whether a calibrate stage would have something to do from this moment on.
struct Calibration {
  placing::Moment from;
  bool is_wanted = false;
};

/// Warns about what begins after the end of training, about more batches than there are, and about
/// rules and stages that never do anything. `calibrations` are in the order of their moments.
void check_lengths(const pipeline::Pipeline& pipeline, const data::Dataset& dataset,
                   const std::vector<Calibration>& calibrations, const registry::Registry& registry,
                   results::Warnings& warnings);

/// Warns about a rounding for a method that does not round, about procedures that act in training
/// where there is none, a norm for a model without norms, parameters without effect.
void check_methods(const pipeline::Pipeline& pipeline, const network::Model& model,
                   const data::Dataset& dataset, const registry::Registry& registry,
                   results::Warnings& warnings);

}  // namespace qloom::run
