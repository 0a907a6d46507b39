// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/layers/common/pool.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>

#include "host/kernels/vectorized.hpp"
#include "host/tensor/parallel.hpp"

namespace qloom::layers {
namespace {

/// The part of a window that lies inside the image: rows h0 .. h1 - 1, columns w0 .. w1 - 1.
struct Window {
  std::int64_t h0, h1, w0, w1;
  [[nodiscard]] std::int64_t count() const {
    return std::max<std::int64_t>(h1 - h0, 0) * std::max<std::int64_t>(w1 - w0, 0);
  }
};

Window window(const PoolShape& s, std::int64_t oh, std::int64_t ow) {
  const std::int64_t h = oh * s.stride_h - s.pad_top, w = ow * s.stride_w - s.pad_left;
  return {std::max<std::int64_t>(h, 0), std::min(h + s.kernel_h, s.in_h),
          std::max<std::int64_t>(w, 0), std::min(w + s.kernel_w, s.in_w)};
}

/// body(sample, oh) for each row of outputs, on all threads.
template <class Body>
void for_each_output_row(const PoolShape& s, const Body& body) {
  for_each(static_cast<std::uint64_t>(s.batch * s.out_h()), [&](std::uint64_t i) {
    const auto row = static_cast<std::int64_t>(i);
    body(row / s.out_h(), row % s.out_h());
  });
}

constexpr std::int64_t kChannelBlock = 64;  // partial results of a pixel that stay in L1

/// Keeps the larger of what was there and the new values, with its place; NaN wins and stays.
void keep_larger(const float* values, std::int32_t first, std::size_t n, float* most,
                 std::int32_t* place) {
  for (std::size_t c = 0; c < n; ++c) {
    const float value = values[c], before = most[c];
    const std::int32_t here = first + static_cast<std::int32_t>(c), there = place[c];
    const bool takes = !(value <= before) & (before == before);
    most[c] = takes ? value : before;
    place[c] = takes ? here : there;
  }
}

/// One output pixel of a max pool: the window's elements in row-major order.
void max_of_window(const PoolShape& s, const float* x, std::int64_t sample, const Window& area,
                   float* y, std::int32_t* argmax) {
  for (std::int64_t c0 = 0; c0 < s.channels; c0 += kChannelBlock) {
    const auto n = static_cast<std::size_t>(std::min(kChannelBlock, s.channels - c0));
    std::array<float, kChannelBlock> most;
    std::array<std::int32_t, kChannelBlock> place;
    std::fill_n(most.data(), n, 0.0F);
    std::fill_n(place.data(), n, -1);
    for (std::int64_t h = area.h0; h < area.h1; ++h) {
      for (std::int64_t w = area.w0; w < area.w1; ++w) {
        const std::int64_t at = ((sample * s.in_h + h) * s.in_w + w) * s.channels + c0;
        const auto index = static_cast<std::int32_t>(at);
        if (h == area.h0 && w == area.w0) {
          std::copy_n(x + at, n, most.data());
          std::iota(place.data(), place.data() + n, index);
        } else {
          keep_larger(x + at, index, n, most.data(), place.data());
        }
      }
    }
    std::copy_n(most.data(), n, y + c0);
    std::copy_n(place.data(), n, argmax + c0);
  }
}

/// A row of outputs of a max pool without padding, kLanes outputs at a time in the order (column,
/// channel). Each reads x at an offset of its own plus that of the window's element.
class InsideRow {
 public:
  explicit InsideRow(const PoolShape& s) : s_(s) {}
  void maximum(std::int64_t sample, std::int64_t oh, const float* x, float* y,
               std::int32_t* argmax) const {
    const std::int64_t row = (sample * s_.in_h + oh * s_.stride_h) * s_.in_w * s_.channels;
    kernels::vectorized([=, this] {
      const std::int64_t n = s_.out_w() * s_.channels;
      std::int64_t column = 0, channel = 0;  // of the next output
      for (std::int64_t j = 0; j < n; j += kLanes) {
        float most[kLanes];
        std::int32_t place[kLanes], offset[kLanes] = {};  // lanes past the end read x[row]
        const std::int64_t count = std::min<std::int64_t>(kLanes, n - j);
        const bool is_contiguous = s_.channels % kLanes == 0;
        for (std::int64_t l = 0; l < count; ++l) {
          offset[l] = static_cast<std::int32_t>(column * s_.stride_w * s_.channels + channel);
          if (++channel < s_.channels) continue;
          channel = 0;
          ++column;
        }
        if (is_contiguous) {
          lanes(
              x, row, [from = offset[0]](std::int32_t l) { return from + l; }, most, place);
        } else {
          lanes(
              x, row, [&offset](std::int32_t l) { return offset[l]; }, most, place);
        }
        if (count == kLanes) {
          std::memcpy(y + j, most, sizeof most);
          std::memcpy(argmax + j, place, sizeof place);
        } else {
          std::copy_n(most, count, y + j);
          std::copy_n(place, count, argmax + j);
        }
      }
    });
  }

 private:
  static constexpr std::int32_t kLanes = 16;

  template <class Offset>
  void lanes(const float* x, std::int64_t row, const Offset& offset, float (&most)[kLanes],
             std::int32_t (&place)[kLanes]) const {
    const float* first = x + row;
    for (std::int32_t l = 0; l < kLanes; ++l) {
      most[l] = first[offset(l)];
      place[l] = static_cast<std::int32_t>(row) + offset(l);
    }
    for (std::int64_t h = 0; h < s_.kernel_h; ++h) {
      for (std::int64_t w = h == 0 ? 1 : 0; w < s_.kernel_w; ++w) {
        const std::int64_t element = (h * s_.in_w + w) * s_.channels;
        const float* from = first + element;
        const auto start = static_cast<std::int32_t>(row + element);
        for (std::int32_t l = 0; l < kLanes; ++l) {
          const float value = from[offset(l)], before = most[l];
          const std::int32_t here = start + offset(l), there = place[l];
          const bool takes = !(value <= before) & (before == before);  // NaN wins and stays
          most[l] = takes ? value : before;
          place[l] = takes ? here : there;
        }
      }
    }
  }

  PoolShape s_;
};

/// body(channel, sum) of one window, added in row-major order.
template <class Body>
void sums_of_window(const PoolShape& s, const float* x, std::int64_t sample, const Window& area,
                    const Body& body) {
  for (std::int64_t c0 = 0; c0 < s.channels; c0 += kChannelBlock) {
    const auto n = static_cast<std::size_t>(std::min(kChannelBlock, s.channels - c0));
    std::array<double, kChannelBlock> sum{};
    for (std::int64_t h = area.h0; h < area.h1; ++h) {
      for (std::int64_t w = area.w0; w < area.w1; ++w) {
        const float* from = x + ((sample * s.in_h + h) * s.in_w + w) * s.channels + c0;
        for (std::size_t c = 0; c < n; ++c) sum[c] += from[c];
      }
    }
    for (std::size_t c = 0; c < n; ++c) body(c0 + static_cast<std::int64_t>(c), sum[c]);
  }
}

double count_of(const Window& area) {
  return static_cast<double>(std::max<std::int64_t>(area.count(), 1));
}

}  // namespace

PoolShape pool_shape(const Layer& l, std::int64_t batch) {
  return {.batch = batch,
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
}

void max_pool(const PoolShape& s, const float* x, float* y, std::int32_t* argmax) {
  const bool is_inside = s.pad_top == 0 && s.pad_bottom == 0 && s.pad_left == 0 && s.pad_right == 0;
  const InsideRow row(s);
  for_each_output_row(s, [&](std::int64_t sample, std::int64_t oh) {
    const std::int64_t first = (sample * s.out_h() + oh) * s.out_w() * s.channels;
    if (is_inside) return row.maximum(sample, oh, x, y + first, argmax + first);
    for (std::int64_t ow = 0; ow < s.out_w(); ++ow) {
      const std::int64_t at = first + ow * s.channels;
      max_of_window(s, x, sample, window(s, oh, ow), y + at, argmax + at);
    }
  });
}

void max_pool_gradient(const PoolShape& s, const float* dy, const std::int32_t* argmax, float* dx) {
  const std::int64_t in_size = s.in_h * s.in_w * s.channels;
  const std::int64_t out_size = s.out_h() * s.out_w() * s.channels;
  for_each(static_cast<std::uint64_t>(s.batch), [&](std::uint64_t index) {
    const auto sample = static_cast<std::int64_t>(index);
    std::fill_n(dx + sample * in_size, in_size, 0.0F);
    for (std::int64_t i = sample * out_size; i < (sample + 1) * out_size; ++i) {
      if (argmax[i] >= 0) dx[argmax[i]] += dy[i];
    }
  });
}

void average_pool(const PoolShape& s, const float* x, float* y) {
  for_each_output_row(s, [&](std::int64_t sample, std::int64_t oh) {
    for (std::int64_t ow = 0; ow < s.out_w(); ++ow) {
      const std::int64_t at = ((sample * s.out_h() + oh) * s.out_w() + ow) * s.channels;
      const Window area = window(s, oh, ow);
      const double count = count_of(area);
      sums_of_window(s, x, sample, area, [y = y + at, count](std::int64_t c, double sum) {
        y[c] = static_cast<float>(sum / count);
      });
    }
  });
}

std::int64_t common_count(const PoolShape& s) {
  constexpr std::int64_t kMost = std::int64_t{1} << 20;
  std::int64_t rows = 1, columns = 1;
  for (std::int64_t oh = 0; oh < s.out_h() && rows <= kMost; ++oh) {
    const Window area = window(s, oh, 0);
    rows = std::lcm(rows, std::max<std::int64_t>(area.h1 - area.h0, 1));
  }
  for (std::int64_t ow = 0; ow < s.out_w() && columns <= kMost; ++ow) {
    const Window area = window(s, 0, ow);
    columns = std::lcm(columns, std::max<std::int64_t>(area.w1 - area.w0, 1));
  }
  return rows <= kMost && columns <= kMost && rows * columns <= kMost ? rows * columns : 0;
}

std::vector<std::int64_t> window_multiples(const PoolShape& s) {
  const std::int64_t common = common_count(s);
  std::vector<std::int64_t> multiples;
  for (std::int64_t oh = 0; oh < s.out_h(); ++oh) {
    for (std::int64_t ow = 0; ow < s.out_w(); ++ow) {
      multiples.push_back(common / std::max<std::int64_t>(window(s, oh, ow).count(), 1));
    }
  }
  return multiples;
}

void sum_pool(const PoolShape& s, const float* x, std::int64_t* sums) {
  const std::vector<std::int64_t> multiples = window_multiples(s);
  for_each_output_row(s, [&](std::int64_t sample, std::int64_t oh) {
    for (std::int64_t ow = 0; ow < s.out_w(); ++ow) {
      const std::int64_t at = ((sample * s.out_h() + oh) * s.out_w() + ow) * s.channels;
      const std::int64_t multiple = multiples[static_cast<std::size_t>(oh * s.out_w() + ow)];
      sums_of_window(s, x, sample, window(s, oh, ow),
                     [to = sums + at, multiple](std::int64_t c, double sum) {
                       to[c] = static_cast<std::int64_t>(sum) * multiple;
                     });
    }
  });
}

void mean_of_sums(const PoolShape& s, const std::int64_t* sums, std::span<const float> scales,
                  float* y) {
  const auto common = static_cast<double>(common_count(s));
  std::vector<double> factors;
  for (std::size_t c = 0; c < static_cast<std::size_t>(s.channels); ++c) {
    factors.push_back(double{scales[scales.size() == 1 ? 0 : c]} / common);
  }
  for_each_output_row(s, [&](std::int64_t sample, std::int64_t oh) {
    const std::int64_t at = (sample * s.out_h() + oh) * s.out_w() * s.channels;
    for (std::int64_t i = 0; i < s.out_w() * s.channels; ++i) {
      const double factor = factors[static_cast<std::size_t>(i % s.channels)];
      y[at + i] = static_cast<float>(static_cast<double>(sums[at + i]) * factor);
    }
  });
}

void average_pool_gradient(const PoolShape& s, const float* dy, float* dx) {
  const std::int64_t in_size = s.in_h * s.in_w * s.channels;
  for_each(static_cast<std::uint64_t>(s.batch), [&](std::uint64_t index) {
    const auto sample = static_cast<std::int64_t>(index);
    float* image = dx + sample * in_size;
    std::fill_n(image, in_size, 0.0F);
    const float* from = dy + sample * s.out_h() * s.out_w() * s.channels;
    for (std::int64_t pixel = 0; pixel < s.out_h() * s.out_w(); ++pixel, from += s.channels) {
      const Window area = window(s, pixel / s.out_w(), pixel % s.out_w());
      const auto count = static_cast<float>(area.count());
      for (std::int64_t h = area.h0; h < area.h1; ++h) {
        for (std::int64_t w = area.w0; w < area.w1; ++w) {
          float* to = image + (h * s.in_w + w) * s.channels;
          for (std::int64_t c = 0; c < s.channels; ++c) to[c] += from[c] / count;
        }
      }
    }
  });
}

}  // namespace qloom::layers
