// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Rows of the im2col forms of a contraction's operands; places without a value read as `zero`.
#pragma once

#include <algorithm>

#include "host/contraction/contraction.hpp"

namespace qloom::contraction {

/// Where the kernel's first place meets the input for successive output pixels (batch, out_h,
/// out_w); h and w may lie in the padding.
class Corner {
 public:
  Corner(const ContractionShape& s, std::int64_t pixel)
      : shape_(s),
        ow_(pixel % s.out_w()),
        oh_(pixel / s.out_w() % s.out_h()),
        out_h_(s.out_h()),
        out_w_(s.out_w()),
        sample(pixel / (s.out_w() * s.out_h())),
        h(oh_ * s.stride_h - s.pad_top),
        w(ow_ * s.stride_w - s.pad_left) {}
  void next() {
    w += shape_.stride_w;
    if (++ow_ < out_w_) return;
    ow_ = 0;
    w = -shape_.pad_left;
    h += shape_.stride_h;
    if (++oh_ < out_h_) return;
    oh_ = 0;
    h = -shape_.pad_top;
    ++sample;
  }

 private:
  const ContractionShape& shape_;
  std::int64_t ow_, oh_, out_h_, out_w_;

 public:
  std::int64_t sample, h, w;
};

/// Elements from .. from + n - 1 of (kernel_w, channel) in one row of the kernel; `row` is the
/// input's row (width, channel) at the group's first channel.
template <class T>
void gather_kernel_row(const ContractionShape& s, const T* row, std::int64_t w, std::int64_t from,
                       std::int64_t n, T* out, T zero) {
  const std::int64_t channels = s.in_c / s.groups;
  if (s.groups == 1 && s.dilation_w == 1) {  // the places lie side by side
    const std::int64_t last = from + n;
    const std::int64_t lo = std::clamp(-w * channels, from, last);
    const std::int64_t hi = std::clamp((s.in_w - w) * channels, lo, last);
    out = std::fill_n(out, lo - from, zero);
    out = std::copy_n(row + (w * channels + lo), hi - lo, out);
    std::fill_n(out, last - hi, zero);
    return;
  }
  std::int64_t place = from / channels, c = from % channels;
  for (; n > 0; ++place, c = 0) {
    const std::int64_t run = std::min(channels - c, n), at = w + place * s.dilation_w;
    const bool is_inside = at >= 0 && at < s.in_w;
    out = is_inside ? std::copy_n(row + at * s.in_c + c, run, out) : std::fill_n(out, run, zero);
    n -= run;
  }
}

/// Elements first .. first + n - 1 of (kernel_h, kernel_w, in_channel) of one group and pixel.
template <class T>
void gather_patch(const ContractionShape& s, const T* x, std::int64_t group, const Corner& corner,
                  std::int64_t first, std::int64_t n, T* out, T zero = {}) {
  const std::int64_t length = s.kernel_w * (s.in_c / s.groups), pitch = s.in_w * s.in_c;
  const T* image = x + corner.sample * s.in_h * pitch + group * (s.in_c / s.groups);
  std::int64_t h = corner.h + first / length * s.dilation_h, from = first % length;
  for (; n > 0; h += s.dilation_h, from = 0) {
    const std::int64_t count = std::min(length - from, n);
    if (h < 0 || h >= s.in_h)
      std::fill_n(out, count, zero);
    else
      gather_kernel_row(s, image + h * pitch, corner.w, from, count, out, zero);
    out += count;
    n -= count;
  }
}

/// The output index of `count` that a place of the kernel connects to an input index, or -1:
/// offset = input index + padding - place * dilation.
inline std::int64_t connected(std::int64_t offset, std::int64_t stride, std::int64_t count) {
  if (offset < 0 || (stride > 1 && offset % stride != 0)) return -1;
  const std::int64_t index = stride > 1 ? offset / stride : offset;
  return index < count ? index : -1;
}

/// For input pixel r (batch, in_h, in_w): k = (kernel_h, kernel_w, out_channel), dy at the output
/// pixel that this place of the kernel connects to it.
inline void gather_errors(const ContractionShape& s, const float* dy, std::int64_t group,
                          std::int64_t r, float* out) {
  const std::int64_t channels = s.out_c / s.groups, out_h = s.out_h(), out_w = s.out_w();
  const std::int64_t w = r % s.in_w, h = r / s.in_w % s.in_h, sample = r / (s.in_w * s.in_h);
  for (std::int64_t kh = 0; kh < s.kernel_h; ++kh) {
    const std::int64_t oh = connected(h + s.pad_top - kh * s.dilation_h, s.stride_h, out_h);
    if (oh < 0) {
      out = std::fill_n(out, s.kernel_w * channels, 0.0F);
      continue;
    }
    const float* row = dy + (sample * out_h + oh) * out_w * s.out_c + group * channels;
    for (std::int64_t kw = 0; kw < s.kernel_w; ++kw) {
      const std::int64_t ow = connected(w + s.pad_left - kw * s.dilation_w, s.stride_w, out_w);
      out = ow < 0 ? std::fill_n(out, channels, 0.0F)
                   : std::copy_n(row + ow * s.out_c, channels, out);
    }
  }
}

}  // namespace qloom::contraction
