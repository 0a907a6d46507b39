// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/results/sections.hpp"

namespace qloom::results {
namespace {

using json::Json;

Json storage_rows(const std::vector<TensorFact>& tensors, std::uint64_t& bytes) {
  Json rows = Json::array();
  for (const TensorFact& t : tensors) {
    rows.push_back({{"name", t.name},
                    {"elements", t.elements},
                    {"code_bits", t.storage.code_bits},
                    {"table_bits", t.storage.table_bits},
                    {"bytes", t.storage.bytes()}});
    bytes += t.storage.bytes();
  }
  return rows;
}

Json storage_section(const RunFacts& facts) {
  Json section{{"revision", kStorageRevision}};
  std::uint64_t bytes = 0, of_activations = 0;
  section["parameters"] = storage_rows(facts.parameters, bytes);
  section["activations"] = storage_rows(facts.activations, of_activations);
  section["model_bytes"] = bytes;
  return section;
}

}  // namespace

Json sections_of(const RunFacts& facts) {
  Json sections{
      {"storage", storage_section(facts)},
      {"formats", {{"revision", kFormatsRevision}, {"sites", facts.formats}}},
      {"origin", {{"revision", kOriginRevision}, {"pipeline_file", facts.pipeline_file}}}};
  for (const auto& [name, table] : facts.tables) {
    Json& section = sections["table." + name] = table;
    section["revision"] = kTableRevision;
  }
  return sections;
}

}  // namespace qloom::results
