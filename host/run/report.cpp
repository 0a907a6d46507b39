// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/run/report.hpp"

#include <algorithm>

#include "host/kernels/kernels.hpp"
#include "host/run/events.hpp"
#include "host/run/layer_statistics.hpp"

namespace qloom::run {
namespace {

/// Bytes of n values of `bits` bits each, packed; unit: bytes.
std::int64_t packed_bytes(std::int64_t n, std::uint32_t bits) { return (n * bits + 7) / 8; }

Json methods_of(const Trainer& trainer) {
  Json methods = Json::array();
  for (const registry::Method* m : trainer.methods()) {
    methods.push_back({{"kind", m->kind}, {"id", m->id}, {"version", m->version}});
  }
  std::sort(methods.begin(), methods.end(), [](const Json& x, const Json& y) {
    return std::pair(x["kind"], x["id"]) < std::pair(y["kind"], y["id"]);
  });
  return methods;
}

/// One row per stored parameter; sums go to `totals`.
Json parameter_rows(Trainer& trainer, Json& totals) {
  Json rows = Json::array();
  std::int64_t bytes = 0, weight_bits = 0, weights = 0;
  for (const network::Parameter* p : trainer.network().parameters()) {
    const auto n = static_cast<std::int64_t>(p->value.size());
    // An averaged weight (shadow) is what evaluation uses, in float32.
    const std::uint32_t bits = p->forward != nullptr && p->shadow.empty() ? p->forward->bits() : 32;
    const std::uint32_t stored = p->on_update != nullptr ? p->on_update->bits() : 32;
    rows.push_back({{"name", p->name()},
                    {"shape", p->value.shape()},
                    {"elements", n},
                    {"bits", bits},
                    {"bytes", packed_bytes(n, bits)},
                    {"stored_bits", stored}});
    bytes += packed_bytes(n, bits);
    if (p->role != QLOOM_ROLE_WEIGHT) continue;
    weight_bits += n * bits;
    weights += n;
  }
  totals["model_bytes"] = bytes;
  totals["weight_bits"] = weights == 0 ? 32.0 : double(weight_bits) / double(weights);
  return rows;
}

/// One row per tensor that a contraction reads; elements are of one sample.
Json activation_rows(const Trainer& trainer, Json& totals) {
  Json rows = Json::array();
  std::int64_t all_bits = 0, all = 0;
  const auto& nodes = trainer.network().nodes();
  for (const auto& node : nodes) {
    if (node->weight == nullptr) continue;
    const network::Node& from = *nodes[static_cast<std::size_t>(node->inputs[0])];
    const bool quantized = from.type == network::Node::Type::kQuantize;
    const std::uint32_t bits = quantized ? from.site->bits() : 32;
    const std::int64_t n = from.out_shape.size();
    rows.push_back({{"name", "input of " + node->name},
                    {"elements", n},
                    {"bits", bits},
                    {"bytes", packed_bytes(n, bits)}});
    all_bits += n * bits;
    all += n;
  }
  totals["activation_bits"] = all == 0 ? 32.0 : double(all_bits) / double(all);
  return rows;
}

}  // namespace

Json report_of(Trainer& trainer, int threads) {
  Json statistics = layer_statistics(trainer);  // first: its pass shows each grid once more
  Json report{{"format", 1},
              {"name", trainer.pipeline().name},
              {"host_version", registry::host_services().version},
              {"seed", trainer.pipeline().seed},
              {"instruction_set", kernels::table().isa_name},
              {"configuration", pipeline::configuration(trainer.pipeline(), trainer.registry())},
              {"inputs", trainer.inputs()},
              {"model", trainer.network().model().name},
              {"dataset", trainer.dataset().name},
              {"steps", trainer.cursor().steps},
              {"methods", methods_of(trainer)},
              {"series", trainer.series()},
              {"events", swap_events(trainer)},
              {"warnings", trainer.warnings()},
              {"stages", trainer.stage_results()}};
  Json totals = Json::object();
  report["parameters"] = parameter_rows(trainer, totals);
  report["activations"] = activation_rows(trainer, totals);
  report["totals"] = totals;
  Json sites = Json::object();
  for (const auto& [key, site] : trainer.network().sites()) {
    sites[key.text()] = {{"quantizer", site->spec().quantizer.method->id}, {"bits", site->bits()}};
  }
  report["sites"] = std::move(sites);
  if (!trainer.network().overflows().empty()) {
    report["accumulator_overflows"] = trainer.network().overflows();
  }
  if (!trainer.custom().empty()) report["procedures"] = trainer.custom();
  if (trainer.final_score()) {
    const Score& score = *trainer.final_score();
    report["final"] = {{"accuracy", score.accuracy},
                       {"loss", score.loss},
                       {"correct", score.correct},
                       {"count", score.count}};
  }
  report["layer_statistics"] = std::move(statistics);
  const double epochs = trainer.epochs_run();
  report["timing"] = {{"seconds", trainer.seconds()}, {"threads", threads}};
  report["timing"]["seconds_per_epoch"] =
      epochs > 0 ? Json(trainer.training_seconds() / epochs) : Json(nullptr);
  return report;
}

}  // namespace qloom::run
