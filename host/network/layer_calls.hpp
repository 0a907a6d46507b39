// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// From a layer of the model to the arguments of its arithmetic.
#pragma once

#include <limits>

#include <fmt/format.h>

#include "host/json/printable.hpp"
#include "host/layers/ops.hpp"
#include "host/network/model.hpp"
#include "host/registry/call_record.hpp"
#include "host/tensor/error.hpp"

namespace qloom::network {

[[nodiscard]] inline float ceiling(const Layer& layer) {
  return layer.type == LayerType::kRelu6 ? 6.0F : std::numeric_limits<float>::infinity();
}

[[nodiscard]] inline PoolShape pool_shape(const Layer& l, std::int64_t batch) {
  PoolShape s{.batch = batch,
              .in_h = l.in.height,
              .in_w = l.in.width,
              .channels = l.in.channels,
              .kernel_h = l.kernel_h,
              .kernel_w = l.kernel_w,
              .stride_h = l.stride_h,
              .stride_w = l.stride_w,
              .pad_top = l.pad_top,
              .pad_bottom = l.pad_bottom,
              .pad_left = l.pad_left,
              .pad_right = l.pad_right};
  if (l.type == LayerType::kGlobalPool) {
    s.kernel_h = s.stride_h = l.in.height;
    s.kernel_w = s.stride_w = l.in.width;
  }
  return s;
}

/// Runs one contraction of a layer; what it refuses is reported with its place.
template <class Body>
void at_contraction(const char* role, const Layer& layer, Body&& body) try {
  body();
  registry::require_floating_point();
} catch (const RunError& error) {
  throw RunError(fmt::format("{} of \"{}\": {}", role, layer.name, json::printable(error.what())));
}

}  // namespace qloom::network
