// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <fmt/format.h>

#include "host/exchange/c/ops.hpp"

namespace qloom::exchange::c {
namespace {

/// "oy * 2 + ky * 1 - 1" without what changes nothing.
std::string place(const char* output, std::int64_t stride, const char* kernel,
                  std::int64_t dilation, std::int64_t pad) {
  const auto times = [](const char* variable, std::int64_t factor) {
    return factor == 1 ? std::string(variable) : fmt::format("{} * {}", variable, factor);
  };
  const std::string sum = fmt::format("{} + {}", times(output, stride), times(kernel, dilation));
  return pad == 0 ? sum : fmt::format("{} - {}", sum, pad);
}

}  // namespace

void Window::open_places(Text& text) const {
  text.loop("oy", shape_.out_h());
  text.loop("ox", shape_.out_w());
}

std::string Window::open_kernel(Text& text) const {
  const auto& s = shape_;
  text.loop("ky", s.kernel_h);
  text.put(fmt::format("const int32_t iy = {};",
                       place("oy", s.stride_h, "ky", s.dilation_h, s.pad_top)));
  text.loop("kx", s.kernel_w);
  text.put(fmt::format("const int32_t ix = {};",
                       place("ox", s.stride_w, "kx", s.dilation_w, s.pad_left)));
  if (!s.pads()) return {};
  return fmt::format("iy >= 0 && iy < {} && ix >= 0 && ix < {}", s.in_h, s.in_w);
}

std::string Window::input() const {
  return fmt::format("(iy * {} + ix) * {}", shape_.in_w, in_channels_);
}

std::string Window::output() const {
  return fmt::format("(oy * {} + ox) * {}", shape_.out_w(), out_channels_);
}

}  // namespace qloom::exchange::c
