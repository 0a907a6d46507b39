// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/steps/block.hpp"

#include <algorithm>

namespace qloom::steps {
namespace {

/// body(channel, value) of each element, a row of channels after the other.
template <class Body>
void for_each_element(std::uint64_t channels, std::uint64_t first, std::uint64_t n, std::int64_t* v,
                      const Body& body) {
  std::uint64_t channel = first % channels;
  for (std::uint64_t i = 0; i < n;) {
    const std::uint64_t count = std::min(channels - channel, n - i);
    for (std::uint64_t k = 0; k < count; ++k) v[i + k] = body(channel + k, v[i + k]);
    i += count;
    channel = 0;
  }
}

}  // namespace

void apply_block(const Chain& chain, std::uint64_t channels, std::uint64_t first, std::uint64_t n,
                 std::int64_t* v) {
  for (const Step& step : chain) {
    const std::int64_t* const c = step.constants.data();
    const std::uint64_t pitch = step.groups() == 1 ? 0 : step.per_channel;
    if (step.op == Op::kAdd) {
      for_each_element(channels, first, n, v, [=](std::uint64_t channel, std::int64_t value) {
        return value + c[channel * pitch];
      });
    } else if (step.op == Op::kMultiply) {
      for_each_element(channels, first, n, v, [=](std::uint64_t channel, std::int64_t value) {
        return value * c[channel * pitch];
      });
    } else if (step.op == Op::kClamp) {
      for_each_element(channels, first, n, v, [=](std::uint64_t channel, std::int64_t value) {
        return std::clamp(value, c[channel * pitch], c[channel * pitch + 1]);
      });
    } else {
      for_each_element(channels, first, n, v, [&](std::uint64_t channel, std::int64_t value) {
        return apply(step, channel, value);
      });
    }
  }
}

}  // namespace qloom::steps
