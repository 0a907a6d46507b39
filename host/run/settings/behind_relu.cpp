// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/run/settings/behind_relu.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "host/tensor/error.hpp"

namespace qloom::run {
namespace {

using sites::SiteQuantizer;

/// 0 and the powers of two from 2^-31 to 2^31 in each channel: a step or a threshold of any usual
/// size tells some of them apart.
Tensor non_negative_values(std::int64_t channels) {
  constexpr int kRows = 64;
  Tensor x({kRows, channels});
  for (int row = 0; row < kRows; ++row) {
    const float value = row == 0 ? 0.0F : std::ldexp(1.0F, row - kRows / 2);
    std::fill_n(x.data() + row * channels, channels, value);
  }
  return x;
}

/// What a new quantizer of the site makes of them, in training.
Tensor quantized(const SiteQuantizer& site, const registry::Registry& registry) {
  sites::SiteContext context = site.context();
  context.tracks_range = false;
  SiteQuantizer probe(registry, site.spec(), context);
  Tensor y;
  probe.forward(non_negative_values(static_cast<std::int64_t>(context.channels)), y,
                {.training = true});
  return y;
}

}  // namespace

void check_behind_relu(const network::Network& network, const registry::Registry& registry,
                       results::Warnings& warnings) {
  for (const auto& [key, site] : network.sites.all()) {
    if (!site->context().after_relu || site->context().channels == 0) continue;
    try {
      const Tensor y = quantized(*site, registry);
      const float first = *y.begin();
      if (!std::all_of(y.begin(), y.end(), [first](float v) { return v == first; })) continue;
      warnings.add({site->spec().quantizer.where,
                    fmt::format("\"{}\" at \"{}\" gives {} for all that the ReLU before it lets "
                                "through, so that the layer sees nothing of its input; it is for "
                                "values that may be negative: leave the ReLU out",
                                site->spec().quantizer.method->id, key.text(), first)});
    } catch (const std::runtime_error&) {  // InputError and RunError
      continue;
    }
  }
}

}  // namespace qloom::run
