// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The samples of a run, batch by batch.
#pragma once

#include <cstdint>
#include <vector>

#include "host/data/datasets/dataset.hpp"
#include "host/tensor/tensor.hpp"

namespace qloom::run {

/// One pass over a split, in a fixed order.
class Walk {
 public:
  /// `order`: of the split's samples. `dataset` outlives the walk.
  Walk(const data::Dataset& dataset, const data::Split& split, data::Normalisation normalisation,
       std::int64_t batch_size, std::vector<std::int32_t> order);

  /// Batches of the whole split; the last one may be smaller.
  [[nodiscard]] std::uint64_t count() const;
  /// Makes batch i the present one.
  void load(std::uint64_t i);
  [[nodiscard]] std::int64_t size() const { return static_cast<std::int64_t>(labels_.size()); }
  [[nodiscard]] const Tensor& images() const { return images_; }
  [[nodiscard]] const std::vector<std::int32_t>& labels() const { return labels_; }

 private:
  const data::Dataset* dataset_;
  const data::Split* split_;
  data::Normalisation normalisation_;
  std::int64_t batch_size_;
  std::vector<std::int32_t> order_, labels_;
  Tensor images_;
};

/// A dataset with what a pipeline says of its batches.
struct Batches {
  data::Dataset dataset;
  data::Normalisation normalisation;
  std::int64_t size;   ///< samples of a batch
  std::uint64_t seed;  ///< of the order of training

  [[nodiscard]] std::uint64_t per_epoch() const;
  /// The training set in the order of this epoch.
  [[nodiscard]] Walk training(std::uint64_t epoch) const;
  /// The test set as it lies.
  [[nodiscard]] Walk test() const;
};

}  // namespace qloom::run
