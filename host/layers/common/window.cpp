// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/layers/common/window.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace qloom::layers {
namespace {

/// Zeros before and after one axis so that the output has ceil(size / stride) elements.
void pad_same(std::int64_t size, std::int64_t extent, std::int64_t stride, std::int64_t& before,
              std::int64_t& after) {
  const std::int64_t out = (size + stride - 1) / stride;
  const std::int64_t all = std::max<std::int64_t>((out - 1) * stride + extent - size, 0);
  before = all / 2;
  after = all - before;
}

/// Pixels from the first place of the kernel to its last.
std::int64_t extent(std::int64_t kernel, std::int64_t dilation) {
  return (kernel - 1) * dilation + 1;
}

void read_padding(const Reader& reader, Windows windows, Layer& layer) {
  const auto padding = reader.value("padding", Reader::Json("valid"));
  if (padding == "same") {
    pad_same(layer.in.height, extent(layer.kernel_h, layer.dilation_h), layer.stride_h,
             layer.pad_top, layer.pad_bottom);
    pad_same(layer.in.width, extent(layer.kernel_w, layer.dilation_w), layer.stride_w,
             layer.pad_left, layer.pad_right);
  } else if (padding.is_number()) {
    const auto pad = padding.get<std::int64_t>();
    layer.pad_top = layer.pad_bottom = layer.pad_left = layer.pad_right = pad;
    if (windows == Windows::kOnlyInside && (pad >= layer.kernel_h || pad >= layer.kernel_w)) {
      reader.refuse("/padding", fmt::format("{} is not below the kernel {} x {}: a window would "
                                            "see only padding",
                                            pad, layer.kernel_h, layer.kernel_w));
    }
  }
}

}  // namespace

void read_window(const Reader& reader, Windows windows, Layer& layer) {
  read_padding(reader, windows, layer);
  const std::int64_t height = layer.in.height + layer.pad_top + layer.pad_bottom;
  const std::int64_t width = layer.in.width + layer.pad_left + layer.pad_right;
  const std::int64_t rows = extent(layer.kernel_h, layer.dilation_h);
  const std::int64_t columns = extent(layer.kernel_w, layer.dilation_w);
  if (rows > height || columns > width) {
    const bool is_dilated = layer.dilation_h > 1 || layer.dilation_w > 1;
    reader.refuse(
        "/kernel",
        fmt::format("{} x {}{} is larger than the padded input {} x {}", layer.kernel_h,
                    layer.kernel_w,
                    is_dilated ? fmt::format(" (with dilation {} x {})", rows, columns) : "",
                    height, width));
  }
  layer.out.height = (height - rows) / layer.stride_h + 1;
  layer.out.width = (width - columns) / layer.stride_w + 1;
}

void read_pool(Reader& reader, Layer& layer) {
  static_cast<void>(reader.required("kernel"));
  reader.read_pair("kernel", layer.kernel_h, layer.kernel_w);
  layer.stride_h = layer.kernel_h;
  layer.stride_w = layer.kernel_w;
  reader.read_pair("stride", layer.stride_h, layer.stride_w);
  read_window(reader, Windows::kOnlyInside, layer);
}

}  // namespace qloom::layers
