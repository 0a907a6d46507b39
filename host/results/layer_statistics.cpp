// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/results/layer_statistics.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "host/methods/encoding.hpp"
#include "host/tensor/error.hpp"
#include "host/tensor/parallel.hpp"

namespace qloom::results {
namespace {

using json::Json;

constexpr std::size_t kBins = 128;
constexpr std::size_t kMostLevels = 256;  // a finer grid is a grey area in a picture
constexpr std::uint32_t kMostBases = 8;   // as many levels
constexpr std::int64_t kMostSamples = 128;
constexpr std::int64_t kMostModelledSamples = 8;             // a modelled accumulator is slow
constexpr std::int64_t kMostValues = std::int64_t{1} << 24;  // of all nodes: 64 MiB of float

/// One tensor as evaluation sees it; `after` is null where nothing quantizes it.
struct Observed {
  std::string tensor, layer, site;
  const float *before, *after;
  std::size_t count;
  const sites::SiteQuantizer* quantizer;
};

struct Histogram {
  float low = 0, high = 0;
  std::vector<std::int64_t> before, after;
};

void widen(const float* x, std::size_t n, float& low, float& high) {
  for (std::size_t i = 0; i < n; ++i) {
    if (!std::isfinite(x[i])) continue;
    low = std::min(low, x[i]);
    high = std::max(high, x[i]);
  }
}

std::vector<std::int64_t> counts(const float* x, std::size_t n, float low, float high) {
  std::vector<std::int64_t> bins(kBins);
  const double per_unit = double(kBins) / (double(high) - double(low));
  for (std::size_t i = 0; i < n; ++i) {
    if (!std::isfinite(x[i])) continue;
    const auto bin = static_cast<std::size_t>((double(x[i]) - double(low)) * per_unit);
    ++bins[std::min(bin, kBins - 1)];
  }
  return bins;
}

/// Bins of equal width from the smallest to the largest value, before and after taken together.
Histogram histogram(const Observed& o) {
  Histogram h{std::numeric_limits<float>::max(), std::numeric_limits<float>::lowest(), {}, {}};
  widen(o.before, o.count, h.low, h.high);
  if (o.after != nullptr) widen(o.after, o.count, h.low, h.high);
  if (h.low > h.high) h.low = h.high = 0;  // no finite value at all
  if (h.low == h.high) {                   // a constant: a bin needs a width
    const float half = std::max(std::abs(h.low), 1.0F) * 0.5F;
    h.low -= half;
    h.high += half;
  }
  h.before = counts(o.before, o.count, h.low, h.high);
  if (o.after != nullptr) h.after = counts(o.after, o.count, h.low, h.high);
  return h;
}

/// All levels of a grid, codebook or sum of bases that serves the whole tensor; empty for any other
/// encoding.
std::vector<float> grid_levels(const qloom_encoding& e) {
  std::vector<float> levels;
  if (e.groups != 1) return levels;
  if (e.kind == QLOOM_ENCODING_CODEBOOK && e.codebook_size <= kMostLevels) {
    levels.assign(e.codebook, e.codebook + e.codebook_size);
  } else if (e.kind == QLOOM_ENCODING_BASES && e.bases <= kMostBases) {
    levels = methods::values_of_bases(e, 0);
  } else if (e.kind == QLOOM_ENCODING_AFFINE) {
    const std::int64_t first = e.grid.code_min[0], last = e.grid.code_max[0];
    const float offset = e.grid.offset == nullptr ? 0.0F : e.grid.offset[0];
    if (last - first >= static_cast<std::int64_t>(kMostLevels)) return levels;
    for (std::int64_t code = first; code <= last; ++code) {
      levels.push_back(offset + static_cast<float>(code - e.grid.zero_point[0]) * e.grid.scale[0]);
    }
  }
  std::sort(levels.begin(), levels.end());
  return levels;
}

/// The different values, ascending; empty when there are too many.
std::vector<float> used_levels(const float* y, std::size_t n) {
  std::vector<float> levels;
  for (std::size_t i = 0; i < n; ++i) {
    const auto place = std::lower_bound(levels.begin(), levels.end(), y[i]);
    if (place != levels.end() && *place == y[i]) continue;
    if (levels.size() == kMostLevels || !std::isfinite(y[i])) return {};
    levels.insert(place, y[i]);
  }
  return levels;
}

/// Mean squares of signal and error, and 10 log10 of their ratio; null where it is not a number.
void add_noise(const Observed& o, Json& row) {
  double signal = 0, noise = 0;
  for (std::size_t i = 0; i < o.count; ++i) {
    const double x = o.before[i], error = x - double(o.after[i]);
    signal += x * x;
    noise += error * error;
  }
  const auto n = double(std::max<std::size_t>(o.count, 1));
  row["signal_power"] = signal / n;
  row["noise_power"] = noise / n;
  const double ratio = 10.0 * std::log10(signal / noise);
  row["sqnr_db"] = std::isfinite(ratio) ? Json(ratio) : Json(nullptr);
}

Json statistics(const Observed& o) {
  const Histogram h = histogram(o);
  Json row{{"tensor", o.tensor},
           {"layer", o.layer},
           {"site", o.site},
           {"values", o.count},
           {"histogram", {{"low", h.low}, {"high", h.high}, {"before", h.before}}}};
  if (o.after == nullptr) return row;
  row["histogram"]["after"] = h.after;
  row["quantizer"] = o.quantizer->spec().quantizer.method->id;
  row["bits"] = o.quantizer->bits();
  add_noise(o, row);
  std::vector<float> levels = grid_levels(o.quantizer->encoding());
  const bool whole_grid = !levels.empty();
  if (!whole_grid) levels = used_levels(o.after, o.count);
  if (levels.empty()) return row;
  row["levels"] = levels;
  row["levels_are"] = whole_grid ? "grid" : "used";
  return row;
}

void observe_parameter(const network::Parameter* p, sites::Value value,
                       std::vector<Observed>& list) {
  if (p == nullptr) return;
  const bool is_average = !p->shadow.empty();  // evaluation uses it as it is
  const bool is_quantized = network::acting(*p, {}) != nullptr && !is_average;
  if (value == sites::Value::kBias && !is_quantized) return;
  const sites::SiteKey key(sites::at(sites::Owner::kContraction, value), p->layer);
  list.push_back({p->name(), p->layer, key.text(), is_average ? p->shadow.data() : p->value.data(),
                  is_quantized ? p->quantized.data() : nullptr, p->value.size(), p->forward.get()});
}

/// Every tensor of the last pass that is worth a picture, in the order of the network.
std::vector<Observed> observed(const network::Network& network) {
  std::vector<Observed> list;
  const auto& nodes = network.plan.nodes();
  const auto input_of = [&nodes](const network::Node& node) -> const network::Node& {
    return *nodes[static_cast<std::size_t>(node.inputs[0])];
  };
  for (const auto& node : nodes) {
    if (node->type == network::Node::Type::kQuantize) {
      for (const sites::SiteKey& key : node->keys) {
        const bool is_output = key.site->value == sites::Value::kOutput;
        list.push_back({(is_output ? "output of " : "input of ") + key.layer, key.layer, key.text(),
                        input_of(*node).value->data(), node->value->data(), node->value->size(),
                        node->site.get()});
      }
    }
    if (node->weight == nullptr) continue;
    const network::Node& from = input_of(*node);
    if (from.type != network::Node::Type::kQuantize) {
      const sites::Site& read = sites::at(sites::Owner::kContraction, sites::Value::kInput);
      list.push_back({"input of " + node->name, node->name, sites::SiteKey(read, node->name).text(),
                      from.value->data(), nullptr, from.value->size(), nullptr});
    }
    observe_parameter(node->weight, sites::Value::kWeight, list);
    observe_parameter(node->bias, sites::Value::kBias, list);
  }
  return list;
}

std::int64_t sample_count(const network::Network& network, const data::Split& split) {
  std::int64_t values = 1;
  for (const auto& node : network.plan.nodes()) values += node->out_shape.size();
  std::int64_t most = kMostSamples;
  for (const auto& [key, spec] : network.placement().accumulators) {
    if (key.site->value == sites::Value::kSumForward) most = kMostModelledSamples;
  }
  return std::min(std::clamp<std::int64_t>(kMostValues / values, 1, most), split.count);
}

Tensor first_samples(const data::Dataset& dataset, data::Normalisation normalisation,
                     std::int64_t n) {
  const data::Split& split = dataset.test;
  std::vector<std::int32_t> order(static_cast<std::size_t>(n)), labels(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::int32_t>(i);
  Tensor batch({n, split.height, split.width, split.channels});
  data::make_batch(dataset, split, normalisation, order.data(), 0, n, batch.data(), labels.data());
  return batch;
}

}  // namespace

Json layer_statistics(network::Network& network, const data::Dataset& dataset,
                      data::Normalisation normalisation, std::uint64_t epochs) {
  const std::int64_t n = sample_count(network, dataset.test);
  const Tensor batch = first_samples(dataset, normalisation, n);
  network::Pass pass;
  pass.use_shadows = true;
  pass.counts_overflows = false;
  pass.phase.epoch = epochs;
  Json rows = Json::array();
  network.plan.fuse(false);  // every node keeps its values
  try {
    network.plan.forward(batch, pass);
  } catch (const RunError& error) {  // for instance: nothing found the ranges
    network.plan.fuse(true);
    return {{"samples", n}, {"tensors", rows}, {"error", error.what()}};
  }
  network.plan.fuse(true);
  const std::vector<Observed> list = observed(network);
  std::vector<Json> found(list.size());
  for_each(list.size(), [&](std::uint64_t i) { found[i] = statistics(list[i]); });
  for (Json& row : found) rows.push_back(std::move(row));
  return {{"samples", n}, {"tensors", std::move(rows)}};
}

}  // namespace qloom::results
