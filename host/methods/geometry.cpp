// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/methods/geometry.hpp"

#include <fmt/format.h>
#include <qloom/geometry.hpp>

#include "host/tensor/error.hpp"

namespace qloom::methods {
namespace {

using By = Grouping::By;

std::uint64_t extent(const Shape& shape, std::size_t axis) {
  return static_cast<std::uint64_t>(shape[axis]);
}

void cut_by_sample(qloom_tensor& t, const Shape& shape) {
  t.groups = shape.empty() ? 1 : extent(shape, 0);
  t.inner = std::max<std::uint64_t>(1, t.n / std::max<std::uint64_t>(1, t.groups));
}

void cut_by_channel(qloom_tensor& t, const Shape& shape, int channel_axis,
                    const std::string& place) {
  const auto rank = static_cast<int>(shape.size());
  const int axis = channel_axis < 0 ? channel_axis + rank : channel_axis;
  if (axis < 0 || axis >= rank) {
    throw InputError(
        fmt::format("{}: an array of rank {} has no channel axis {}", place, rank, channel_axis));
  }
  t.inner = 1;
  for (int i = 0; i < rank; ++i) {
    (i < axis    ? t.outer
     : i == axis ? t.groups
                 : t.inner) *= extent(shape, static_cast<std::size_t>(i));
  }
}

void cut_by_elements(qloom_tensor& t, const Shape& shape, const Grouping& grouping,
                     const std::string& place) {
  const std::uint64_t k = grouping.elements;
  t.inner = k;
  if (!grouping.inside_samples || shape.empty()) {
    t.groups = (t.n + k - 1) / k;
    return;
  }
  const std::uint64_t sample = t.n / std::max<std::uint64_t>(extent(shape, 0), 1);
  if (sample % k != 0) {
    throw InputError(
        fmt::format("{}: {} values per sample do not divide into groups of {}", place, sample, k));
  }
  t.outer = extent(shape, 0);
  t.groups = sample / k;
}

}  // namespace

Grouping grouping_of(const json::Json& granularity, int channel_axis) {
  Grouping grouping{.channel_axis = channel_axis};
  if (granularity == "channel") grouping.by = By::kChannel;
  if (granularity == "sample") grouping.by = By::kSample;
  if (granularity.is_object()) {
    grouping.by = By::kElements;
    grouping.elements = granularity.at("group").get<std::uint64_t>();
  }
  return grouping;
}

qloom_tensor tensor_of(const Grouping& grouping, const Shape& shape, const float* data,
                       const std::string& place) {
  const std::uint64_t n = element_count(shape);
  qloom_tensor t{data, shape.data(), shape.size(), n, 1, 1, std::max<std::uint64_t>(n, 1)};
  switch (grouping.by) {
    case By::kTensor:
      break;
    case By::kChannel:
      cut_by_channel(t, shape, grouping.channel_axis, place);
      break;
    case By::kElements:
      cut_by_elements(t, shape, grouping, place);
      break;
    case By::kSample:
      cut_by_sample(t, shape);
      break;
  }
  return t;
}

qloom_block tile_of(const qloom_tensor& t, std::uint64_t index) {
  const std::uint64_t first = index * kTileElements;
  return sdk::block_of(t, first, std::min(kTileElements, t.n - first));
}

}  // namespace qloom::methods
