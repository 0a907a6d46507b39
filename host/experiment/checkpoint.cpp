// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A run's checkpoint: one .npz with the network's arrays, the procedures' states
// ("procedure/<index>/<array>") and, as text in "@meta", configuration, cursor and series.
#include <fmt/format.h>

#include "host/data/array_file.hpp"
#include "host/experiment/trainer.hpp"
#include "host/tensor/error.hpp"

namespace qloom::experiment {
namespace {

std::string procedure_key(std::size_t i) { return fmt::format("procedure/{:03}/", i); }

}  // namespace

void Trainer::save(const std::filesystem::path& file) const {
  data::Arrays all = network_.save(true);
  std::vector<std::uint32_t> versions;
  for (std::size_t i = 0; i < procedures_.size(); ++i) {
    versions.push_back(procedures_[i].state_version());
    for (auto& [key, array] : procedures_[i].save()) all[procedure_key(i) + key] = std::move(array);
  }
  Json meta{{"format", 1},
            {"configuration", pipeline::configuration(pipeline_, *registry_)},
            {"seed", pipeline_.seed},
            {"cursor",
             {{"stage", cursor_.stage},
              {"epoch_of_stage", cursor_.epoch_of_stage},
              {"epochs", cursor_.epochs},
              {"steps", cursor_.steps},
              {"is_finalized", cursor_.is_finalized}}},
            {"series", series_},
            {"stages", stage_results_},
            {"custom", custom_},
            {"reloads", reloads_},
            {"warnings", warnings_.list()},
            {"procedure_versions", versions}};
  if (final_score_) {
    meta["final"] = {final_score_->loss, final_score_->accuracy, final_score_->correct,
                     final_score_->count};
  }
  const std::string text = meta.dump();
  all["@meta"] = {{static_cast<std::int64_t>(text.size())},
                  std::vector<std::uint8_t>(text.begin(), text.end())};
  data::write_npz(file, all);
}

std::vector<std::uint32_t> Trainer::read_meta(const Json& meta, const std::string& file) {
  if (meta.at("format") != 1) {
    throw InputError(fmt::format("{}: format {} is not 1, the newest known", file,
                                 meta.at("format").dump()));
  }
  if (meta.at("configuration") != pipeline::configuration(pipeline_, *registry_) ||
      meta.at("seed") != pipeline_.seed) {
    throw InputError(fmt::format(
        "{}: belongs to another pipeline, model, seed or --set; remove it or leave --resume out",
        file));
  }
  const Json& c = meta.at("cursor");
  const Cursor cursor{c.at("stage"), c.at("epoch_of_stage"), c.at("epochs"), c.at("steps"),
                      c.at("is_finalized")};
  auto versions = meta.at("procedure_versions").get<std::vector<std::uint32_t>>();
  if (cursor.stage > pipeline_.stages.size() || versions.size() != procedures_.size()) {
    throw InputError(fmt::format("{}: \"@meta\" is damaged: stage {} of {}, {} of {} procedures",
                                 file, cursor.stage, pipeline_.stages.size(), versions.size(),
                                 procedures_.size()));
  }
  cursor_ = cursor;
  series_ = meta.at("series");
  stage_results_ = meta.at("stages");
  reloads_ = meta.value("reloads", Json::array());
  warnings_.restore(meta.value("warnings", Json::array()));
  custom_ = meta.at("custom").get<std::map<std::string, std::vector<double>>>();
  if (meta.contains("final")) {
    const Json& f = meta["final"];
    final_score_ = Score{f.at(0), f.at(1), f.at(2), f.at(3)};
  }
  return versions;
}

void Trainer::load(const std::filesystem::path& file) {
  const data::Arrays all = data::read_npz(file);
  const auto found = all.find("@meta");
  const auto* bytes = found == all.end()
                          ? nullptr
                          : std::get_if<std::vector<std::uint8_t>>(&found->second.values);
  if (bytes == nullptr) {
    throw InputError(fmt::format("{}: no checkpoint of a run (array \"@meta\" is missing)",
                                 file.string()));
  }
  std::vector<std::uint32_t> versions;
  try {
    versions = read_meta(Json::parse(bytes->begin(), bytes->end()), file.string());
  } catch (const Json::exception& error) {
    throw InputError(fmt::format("{}: \"@meta\" is damaged: {}", file.string(), error.what()));
  }
  network_.load_structure(all);
  lower();
  network_.load(all, true, file.string());
  for (std::size_t i = 0; i < procedures_.size(); ++i) {
    data::Arrays own;
    const std::string prefix = procedure_key(i);
    for (const auto& [key, array] : all) {
      if (key.starts_with(prefix)) own[key.substr(prefix.size())] = array;
    }
    procedures_[i].load(own, versions[i]);
  }
}

}  // namespace qloom::experiment
