// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/experiment/settings.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace qloom::experiment {
namespace {

/// How much training there is.
struct Length {
  std::uint64_t epochs = 0, steps_per_epoch = 0;
  bool goes_on = false;  ///< a stage follows the last training
  [[nodiscard]] std::uint64_t steps() const { return epochs * steps_per_epoch; }
};

std::uint64_t batches_of(std::int64_t samples, std::int64_t batch_size) {
  return static_cast<std::uint64_t>((samples + batch_size - 1) / batch_size);
}

Length length_of(const pipeline::Pipeline& p, const data::Dataset& d) {
  Length length;
  length.steps_per_epoch = batches_of(d.train.count, p.batch_size);
  for (const pipeline::Stage& stage : p.stages) {
    length.goes_on = stage.type != "train";
    if (stage.type == "train") length.epochs += static_cast<std::uint64_t>(stage.epochs);
  }
  return length;
}

void check_starts(const pipeline::Pipeline& p, const Length& length, Warnings& warnings) {
  for (const pipeline::Rule& rule : p.rules) {
    const std::uint64_t start = std::max(rule.from_epoch * length.steps_per_epoch, rule.from_step);
    const bool acts = length.goes_on ? start <= length.steps() : start < length.steps();
    if (acts) continue;
    warnings.add({rule.where + "/from",
                  fmt::format("the rule never acts: it begins after step {}, and training ends "
                             "after step {} (epoch {})",
                             start, length.steps(), length.epochs)});
  }
}

void check_batches(const pipeline::Pipeline& p, const data::Dataset& d, Warnings& warnings) {
  for (const pipeline::Stage& stage : p.stages) {
    if (stage.type == "train") continue;
    const bool calibrates = stage.type == "calibrate";
    const std::uint64_t all = batches_of((calibrates ? d.train : d.test).count, p.batch_size);
    if (static_cast<std::uint64_t>(stage.batches) <= all) continue;
    warnings.add({fmt::format("{}/{}/batches", stage.where, stage.type),
                 fmt::format("{} is more than the {} batches of the {} set; {} are used",
                             stage.batches, all, calibrates ? "training" : "test", all)});
  }
}

}  // namespace

void check_settings(const pipeline::Pipeline& pipeline, const data::Dataset& dataset,
                    Warnings& warnings) {
  check_starts(pipeline, length_of(pipeline, dataset), warnings);
  check_batches(pipeline, dataset, warnings);
}

}  // namespace qloom::experiment
