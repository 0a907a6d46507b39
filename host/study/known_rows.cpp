// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/study/known_rows.hpp"

#include <fmt/format.h>

#include "host/tensor/error.hpp"

namespace qloom::study {

void KnownRows::add(const std::string& where, const std::string& row,
                    const json::Json& configuration, const std::string& key) {
  json::Json plain = configuration;
  json::Json& pipeline = plain["pipeline"];
  for (const char* text : {"$schema", "format", "name", "description"}) pipeline.erase(text);
  if (pipeline.contains("rules")) {
    for (json::Json& rule : pipeline["rules"]) rule.erase("description");
  }
  const auto [first, is_new] = rows_.insert({plain.dump() + key, {row, configuration["pipeline"]}});
  if (is_new) return;
  const bool has_other_text = first->second.pipeline != configuration["pipeline"];
  throw InputError(fmt::format(
      "{}{} and {} are the same pipeline{}; expected each once", where, first->second.row, row,
      has_other_text ? ", but for a name or a description, which change nothing of a run" : ""));
}

}  // namespace qloom::study
