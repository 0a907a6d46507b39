// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <fmt/format.h>

#include "host/layers/common/window.hpp"

namespace qloom::layers {
namespace {

void read(Reader& reader, Layer& layer) {
  layer.has_bias = reader.value("bias", true);
  layer.initialisation = reader.value<std::string>("initialisation", "he");
  static_cast<void>(reader.required("kernel"));
  reader.read_pair("kernel", layer.kernel_h, layer.kernel_w);
  reader.read_pair("stride", layer.stride_h, layer.stride_w);
  reader.read_pair("dilation", layer.dilation_h, layer.dilation_w);
  read_window(reader, Windows::kAnywhere, layer);
  const std::int64_t channels = layer.in.channels;
  const auto groups = reader.value("groups", Reader::Json(1));
  const bool is_depthwise = groups == "channels";
  layer.groups = is_depthwise ? channels : groups.get<std::int64_t>();
  layer.out.channels = is_depthwise && !reader.has("filters")
                           ? channels
                           : reader.required("filters").get<std::int64_t>();
  if (channels % layer.groups != 0) {
    reader.refuse("/groups", fmt::format("{} does not divide the {} channels of the input",
                                         layer.groups, channels));
  }
  if (layer.out.channels % layer.groups != 0) {
    reader.refuse("/filters", fmt::format("{} is not a multiple of the {} groups",
                                          layer.out.channels, layer.groups));
  }
}

ContractionShape contraction(const Layer& l, std::int64_t batch) {
  return {.batch = batch,
          .in_h = l.in.height,
          .in_w = l.in.width,
          .in_c = l.in.channels,
          .out_c = l.out.channels,
          .kernel_h = l.kernel_h,
          .kernel_w = l.kernel_w,
          .stride_h = l.stride_h,
          .stride_w = l.stride_w,
          .pad_top = l.pad_top,
          .pad_bottom = l.pad_bottom,
          .pad_left = l.pad_left,
          .pad_right = l.pad_right,
          .groups = l.groups,
          .dilation_h = l.dilation_h,
          .dilation_w = l.dilation_w};
}

}  // namespace

extern const LayerType kConv;
constinit const LayerType kConv{.name = "conv",
                                .keys = {"filters", "kernel", "stride", "padding", "groups",
                                         "dilation", "bias", "initialisation"},
                                .read = read,
                                .contraction = contraction};

}  // namespace qloom::layers
