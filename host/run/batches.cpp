// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/run/batches.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

namespace qloom::run {
namespace {

std::uint64_t batches_in(const data::Split& split, std::int64_t size) {
  return static_cast<std::uint64_t>((split.count + size - 1) / size);
}

}  // namespace

Walk::Walk(const data::Dataset& dataset, const data::Split& split,
           data::Normalisation normalisation, std::int64_t batch_size,
           std::vector<std::int32_t> order)
    : dataset_(&dataset),
      split_(&split),
      normalisation_(normalisation),
      batch_size_(batch_size),
      order_(std::move(order)) {}

std::uint64_t Walk::count() const { return batches_in(*split_, batch_size_); }

void Walk::load(std::uint64_t i) {
  const auto first = static_cast<std::int64_t>(i) * batch_size_;
  const std::int64_t n = std::min(batch_size_, split_->count - first);
  images_.resize({n, split_->height, split_->width, split_->channels});
  labels_.resize(static_cast<std::size_t>(n));
  data::make_batch(*dataset_, *split_, normalisation_, order_.data(), first, n, images_.data(),
                   labels_.data());
}

std::uint64_t Batches::per_epoch() const { return batches_in(dataset.train, size); }

Walk Batches::training(std::uint64_t epoch) const {
  return {dataset, dataset.train, normalisation, size,
          data::shuffled_order(dataset.train.count, seed, epoch)};
}

Walk Batches::test() const {
  std::vector<std::int32_t> order(static_cast<std::size_t>(dataset.test.count));
  std::iota(order.begin(), order.end(), 0);
  return {dataset, dataset.test, normalisation, size, std::move(order)};
}

}  // namespace qloom::run
