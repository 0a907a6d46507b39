// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/compile/summary.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "host/compile/cost.hpp"

namespace qloom::compile {
namespace {

using json::Json;
using program::Op;

std::string proof_text(const Proof& proof) {
  if (proof.reachable == 0) return "";
  if (proof.is_complete()) return fmt::format("by all {} values", proof.reachable);
  return fmt::format("by {} of {} values", proof.compared, proof.reachable);
}

/// One layer: a contraction, or a map with its requantizer.
Json row_of(const Compiled& compiled, const std::vector<program::Range>& ranges,
            std::size_t index) {
  const Op& op = compiled.program.ops[index];
  const program::Tensor& out = compiled.program.tensor(op.output);
  const Finding& finding = compiled.findings[index];
  Json row{{"name", op.name},
           {"op", program::name_of(op.kind)},
           {"products", products_of(op)},
           {"output", out.type.text()},
           {"elements", out.size()}};
  if (!op.weights.empty()) {
    row["weights"] = {{"count", op.weights.size()}, {"type", op.weight_type.text()}};
    row["register"] = {{"bits", op.sum.bits}, {"needed", op.sum.needed}};
    if (op.sum.overflow != program::Overflow::kNever) {
      row["register"]["overflow"] = program::name_of(op.sum.overflow);
    }
  }
  if (!finding.requantizer.empty()) {
    row["requantizer"] = finding.requantizer;
    row["exact"] = finding.is_simulated ? "simulated" : proof_text(finding.proof);
    if (finding.fitting_channels) {
      row["fitting_channels"] = *finding.fitting_channels;
      row["channels"] = out.channels;
    }
  }
  const Cost cost = cost_of(compiled.program, ranges, op);
  if (const Json json = to_json(cost); !json.empty()) {
    row["cost"] = json;
    row["cost"]["text"] = text_of(cost);
  }
  std::uint64_t constants = 0;
  for (const steps::Step& step : op.steps) constants += step.constants.size() + step.factors.size();
  if (constants > 0) row["constants"] = constants;
  return row;
}

std::int64_t bytes_of(std::int64_t values, int bits) { return (values * bits + 7) / 8; }

/// A cell of the printed table; empty where the row has none.
std::string cell(const Json& row, const std::string& column) {
  if (column == "weights") {
    if (!row.contains("weights")) return "";
    return fmt::format("{} x {}", row["weights"]["count"].get<std::int64_t>(),
                       row["weights"]["type"].get<std::string>());
  }
  if (column == "sum needs") {
    return row.contains("register") ? fmt::format("{} bits", row["register"]["needed"].get<int>())
                                    : "";
  }
  if (column == "register") {
    if (!row.contains("register")) return "";
    const Json& sum = row["register"];
    const std::string bits = std::to_string(sum["bits"].get<int>());
    return sum.contains("overflow") ? bits + " " + sum["overflow"].get<std::string>() : bits;
  }
  if (!row.contains(column)) return "";
  if (column == "cost") return row["cost"]["text"].get<std::string>();
  if (column == "requantizer" && row[column] == "thresholds" && row.contains("channels")) {
    return fmt::format("thresholds ({} of {} channels fit)", row["fitting_channels"].dump(),
                       row["channels"].dump());
  }
  const Json& value = row[column];
  if (column == "products" && value == 0) return "";
  return value.is_string() ? value.get<std::string>() : value.dump();
}

}  // namespace

Json summary_of(const Compiled& compiled) {
  Json summary{{"layers", Json::array()}, {"float", Json::array()}};
  const std::vector<program::Range> ranges = program::ranges_of(compiled.program);
  std::int64_t products = 0, weights = 0, constants = 0, activations = 0;
  for (std::size_t i = 0; i < compiled.program.ops.size(); ++i) {
    const Op& op = compiled.program.ops[i];
    const program::Tensor& out = compiled.program.tensor(op.output);
    products += products_of(op);
    weights += bytes_of(static_cast<std::int64_t>(op.weights.size()), op.weight_type.bits);
    for (const steps::Step& step : op.steps) {
      constants += static_cast<std::int64_t>(step.constants.size() + step.factors.size());
    }
    activations = std::max(activations, bytes_of(out.size(), out.type.bits));
    summary["layers"].push_back(row_of(compiled, ranges, i));
  }
  summary["totals"] = {{"products", products},
                       {"weight_bytes", weights},
                       {"constants", constants},
                       {"largest_tensor_bytes", activations}};
  for (const std::string& name : program::float_operations(compiled.program)) {
    summary["float"].push_back({{"tensor", name},
                                {"what", "its requantizer multiplies in float32"},
                                {"needed_for", "its codes"}});
  }
  summary["is_integer"] = summary["float"].empty();
  if (compiled.has_float_logits) {
    summary["float"].push_back(
        {{"tensor", "logits"},
         {"what", "the simulation's logits are float32: these are the sums at one scale"},
         {"needed_for", "the loss; a class may differ where two logits round to one float32"}});
  }
  return summary;
}

std::string summary_text(const Json& summary) {
  constexpr std::array kColumns = {"name",     "op",     "products",    "weights", "sum needs",
                                   "register", "output", "requantizer", "cost",    "exact"};
  std::array<std::size_t, kColumns.size()> widths{};
  for (std::size_t c = 0; c < kColumns.size(); ++c) {
    widths[c] = std::string(kColumns[c]).size();
    for (const Json& row : summary["layers"]) {
      widths[c] = std::max(widths[c], cell(row, kColumns[c]).size());
    }
  }
  const auto line = [&](const auto& text_of_column) {
    std::string text;
    for (std::size_t c = 0; c < kColumns.size(); ++c) {
      text += fmt::format("{:<{}}  ", text_of_column(kColumns[c]), widths[c]);
    }
    return text.erase(text.find_last_not_of(' ') + 1) + "\n";
  };
  std::string text = line([](const char* column) { return std::string(column); });
  for (const Json& row : summary["layers"]) {
    text += line([&](const char* column) { return cell(row, column); });
  }
  const Json& totals = summary["totals"];
  text += fmt::format("{} products, {} bytes of weights, {} constants of steps\n",
                      totals["products"].dump(), totals["weight_bytes"].dump(),
                      totals["constants"].dump());
  text += fmt::format("integer program: {}\n", summary["is_integer"].get<bool>() ? "yes" : "no");
  text += summary["float"].empty() ? "float remains: none\n" : "float remains: ";
  for (const Json& entry : summary["float"]) {
    text += fmt::format("{}: {}\n", entry["tensor"].get<std::string>(),
                        entry["what"].get<std::string>());
  }
  return text;
}

std::string text_of(const std::vector<Refusal>& refusals) {
  std::string text;
  for (const Refusal& refusal : refusals) {
    text += fmt::format("\n  {}: {}", refusal.layer, refusal.reason);
    if (!refusal.repair.empty()) text += fmt::format("\n    rule: {}", refusal.repair);
  }
  return text;
}

}  // namespace qloom::compile
