// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/results/report.hpp"

#include <algorithm>
#include <cmath>

#include "host/kernels/kernels.hpp"
#include "host/methods/encoding.hpp"
#include "host/results/events.hpp"
#include "host/results/sections.hpp"

namespace qloom::results {
namespace {

using json::Json;

/// Bytes of n values of `bits` bits each, packed; unit: bytes.
std::int64_t packed_bytes(std::int64_t n, double bits) {
  return static_cast<std::int64_t>(std::ceil(double(n) * bits / 8));
}

Json methods_of(const RunFacts& facts) {
  Json methods = Json::array();
  for (const registry::Method* m : facts.methods) {
    methods.push_back({{"kind", m->kind}, {"id", m->id}, {"version", m->version}});
  }
  std::sort(methods.begin(), methods.end(), [](const Json& x, const Json& y) {
    return std::pair(x["kind"], x["id"]) < std::pair(y["kind"], y["id"]);
  });
  return methods;
}

/// One row per stored parameter; sums go to `totals`.
Json parameter_rows(const RunFacts& facts, Json& totals) {
  Json rows = Json::array();
  std::uint64_t bytes = 0;
  double weight_bits = 0;
  std::int64_t weights = 0;
  for (const TensorFact& p : facts.parameters) {
    rows.push_back({{"name", p.name},
                    {"shape", p.shape},
                    {"elements", p.elements},
                    {"bits", methods::width(p.bits)},
                    {"bytes", p.storage.bytes()},
                    {"stored_bits", p.stored_bits}});
    bytes += p.storage.bytes();
    if (!p.is_weight) continue;
    weight_bits += double(p.elements) * p.bits;
    weights += p.elements;
  }
  totals["model_bytes"] = bytes;
  totals["weight_bits"] = weights == 0 ? 32.0 : weight_bits / double(weights);
  return rows;
}

/// One row per tensor that a contraction reads; elements are of one sample.
Json activation_rows(const RunFacts& facts, Json& totals) {
  Json rows = Json::array();
  double all_bits = 0;
  std::int64_t all = 0;
  for (const TensorFact& a : facts.activations) {
    rows.push_back({{"name", a.name},
                    {"elements", a.elements},
                    {"bits", methods::width(a.bits)},
                    {"bytes", packed_bytes(a.elements, a.bits)}});
    all_bits += double(a.elements) * a.bits;
    all += a.elements;
  }
  totals["activation_bits"] = all == 0 ? 32.0 : all_bits / double(all);
  return rows;
}

Json timing_of(const RunFacts& facts) {
  Json timing{{"seconds", facts.seconds}, {"threads", facts.threads}};
  const double epochs = double(facts.steps_run) / double(facts.steps_per_epoch);
  timing["seconds_per_epoch"] = epochs > 0 ? Json(facts.training_seconds / epochs) : Json(nullptr);
  return timing;
}

}  // namespace

Json report_of(const RunFacts& facts) {
  Json report{{"format", kReportFormat},
              {"name", facts.name},
              {"host_version", registry::version()},
              {"seed", facts.seed},
              {"instruction_set", kernels::table().isa_name},
              {"configuration", facts.configuration},
              {"inputs", facts.inputs},
              {"model", facts.model},
              {"dataset", facts.dataset},
              {"steps", facts.steps},
              {"methods", methods_of(facts)},
              {"series", facts.series},
              {"events", events_of(facts)},
              {"warnings", facts.warnings},
              {"stages", facts.stages}};
  Json totals = Json::object();
  report["parameters"] = parameter_rows(facts, totals);
  report["activations"] = activation_rows(facts, totals);
  report["totals"] = totals;
  Json sites = Json::object();
  for (const auto& [key, site] : facts.sites) {
    sites[key] = {{"quantizer", site.quantizer}, {"bits", site.bits}};
  }
  report["sites"] = std::move(sites);
  if (!facts.recipe.is_null()) report["recipe"] = facts.recipe;
  if (!facts.overflows.empty()) report["accumulator_overflows"] = facts.overflows;
  if (!facts.custom.empty()) report["procedures"] = facts.custom;
  if (facts.final_score) {
    const Score& score = *facts.final_score;
    report["final"] = {{"accuracy", score.accuracy},
                       {"loss", score.loss},
                       {"correct", score.correct},
                       {"count", score.count}};
  }
  report["layer_statistics"] = facts.layer_statistics;
  report["sections"] = sections_of(facts);
  report["timing"] = timing_of(facts);
  return report;
}

}  // namespace qloom::results
