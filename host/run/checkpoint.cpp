// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A run's checkpoint: one .npz with the network's arrays, the procedures' states
// ("procedure/<index>/<array>") and, as text in "@meta", configuration, cursor and series.
#include <bit>

#include <fmt/format.h>

#include "host/data/array_file.hpp"
#include "host/run/trainer.hpp"
#include "host/tensor/error.hpp"

namespace qloom::run {
namespace {

constexpr const char* kMeta = "@meta";
constexpr int kFormat = 2;  // of "@meta"; 1 had no list of arrays

std::string procedure_key(std::size_t i) { return fmt::format("procedure/{:03}/", i); }

/// Name, type and shape of every array, so that a checkpoint that lacks one is known.
Json list_of(const data::Arrays& arrays) {
  Json list = Json::object();
  for (const auto& [name, array] : arrays) list[name] = data::describe(array);
  return list;
}

/// InputError unless the file holds these arrays, of these types and shapes, and no others.
void require_arrays(const data::ArrayReader& reader, const data::Arrays& found, const Json& list) {
  for (const auto& [name, expected] : list.items()) {
    const auto array = found.find(name);
    if (array == found.end() || data::describe(array->second) != expected.get<std::string>()) {
      reader.refuse(name, expected.get<std::string>());
    }
  }
  for (const auto& [name, array] : found) {
    if (name != kMeta && !list.contains(name)) reader.refuse(name, "no such array");
  }
}

/// A double in JSON with all its bits, whatever it is.
std::uint64_t bits_of(double value) { return std::bit_cast<std::uint64_t>(value); }
double double_of(const Json& bits) { return std::bit_cast<double>(bits.get<std::uint64_t>()); }

/// What procedures that read a quantized weight between two steps get its random words from.
Json pass_json(const network::Phase& p) {
  return {p.step, p.epoch, p.training, bits_of(p.learning_rate)};
}
network::Phase phase_of(const Json& p) { return {p.at(0), p.at(1), p.at(2), double_of(p.at(3))}; }

/// InputError unless what the run goes on to append to, and the report prints, are lists.
void require_lists(const Json& meta, const std::string& file) {
  const Json& series = meta.at("series");
  bool is_sound = series.is_object() && meta.at("stages").is_array();
  for (const auto& [name, list] : series.items()) is_sound = is_sound && list.is_array();
  for (const char* name : {"reloads", "warnings"}) {
    is_sound = is_sound && meta.value(name, Json::array()).is_array();
  }
  if (!is_sound) {
    throw InputError(
        fmt::format("{}: \"@meta\" is damaged: expected lists in \"series\", "
                    "\"stages\", \"reloads\" and \"warnings\"",
                    file));
  }
}

/// What a checkpoint holds beside weights and norm statistics: families of arrays.
constexpr const char* kOtherFamilies[] = {kMeta,      "velocity/",   "second/",    "shadow/",
                                          "site/",    "learned/",    "overflows/", "procedure/",
                                          "removed/", "shadow_norm/"};

}  // namespace

void require_site_arrays(data::ArrayReader& reader, const data::Arrays& arrays) {
  const std::string family = "site/";
  if (!reader.contains_below(family)) return;
  const auto& text = reader.read_list<std::uint8_t>(kMeta);
  const Json meta = Json::parse(text.begin(), text.end(), nullptr, false);
  const Json list = meta.is_object() ? meta.value("arrays", Json()) : Json();
  data::Arrays found;
  for (const std::string& name : reader.names_below(family)) found[name] = arrays.at(name);
  Json expected = Json::object();
  for (const auto& [name, what] : list.items()) {
    if (name.starts_with(family) && what.is_string()) expected[name] = what;
  }
  require_arrays(reader, found, expected);
}

std::vector<Warning> weights_warnings(data::ArrayReader& reader) {
  for (const char* family : kOtherFamilies) reader.ignore_below(family);
  std::vector<Warning> all = reader.warnings();
  if (const std::string text = reader.rounded().text(); !text.empty()) {
    all.push_back({reader.file(), text});
  }
  for (const std::string& name : reader.unread()) {
    all.push_back({reader.where(name),
                   "matches nothing in the model and is not used" + reader.nearest_read(name)});
  }
  return all;
}

std::string loss_of_file(data::ArrayReader& reader) {
  if (!reader.contains(kMeta)) return "softmax_cross_entropy";
  const auto& text = reader.read_list<std::uint8_t>(kMeta);
  const Json meta = Json::parse(text.begin(), text.end(), nullptr, false);
  if (!meta.is_object() || !meta.contains("loss") || !meta["loss"].is_string()) {
    throw InputError(
        fmt::format("{}: \"@meta\" does not name the \"loss\" of the training; "
                    "another version of qloom wrote it",
                    reader.file()));
  }
  return meta["loss"].get<std::string>();
}

void Trainer::save(const std::filesystem::path& file) const { data::write_npz(file, state()); }

data::Arrays Trainer::state() const {
  data::Arrays all = network_->save(true);
  std::vector<std::uint32_t> versions;
  for (std::size_t i = 0; i < procedures_.size(); ++i) {
    versions.push_back(procedures_[i].state_version());
    for (auto& [key, array] : procedures_[i].save()) all[procedure_key(i) + key] = std::move(array);
  }
  Json meta{{"format", kFormat},
            {"arrays", list_of(all)},
            {"configuration", pipeline::configuration(pipeline_, *registry_)},
            {"seed", pipeline_.seed},
            {"inputs", facts_.inputs},
            {"cursor",
             {{"stage", cursor_.stage},
              {"epoch_of_stage", cursor_.epoch_of_stage},
              {"epochs", cursor_.epochs},
              {"steps", cursor_.steps},
              {"step_of_epoch", cursor_.step_of_epoch},
              {"is_finalized", cursor_.is_finalized}}},
            {"loss", loss_},
            {"inherits_shadows", inherits_shadows_},
            {"epoch_sums", {bits_of(sums_.loss), sums_.correct, sums_.seen}},
            {"learning_rate", bits_of(learning_rate_)},
            {"last_pass", pass_json(network_->last_phase())},
            {"series", facts_.series},
            {"stages", facts_.stages},
            {"custom", facts_.custom},
            {"tables", facts_.tables},
            {"reloads", facts_.reloads},
            {"warnings", warnings_.list()},
            {"procedure_versions", versions}};
  if (facts_.final_score) {
    meta["final"] = {facts_.final_score->loss, facts_.final_score->accuracy,
                     facts_.final_score->correct, facts_.final_score->count};
  }
  const std::string text = meta.dump();
  all[kMeta] = {{static_cast<std::int64_t>(text.size())},
                std::vector<std::uint8_t>(text.begin(), text.end())};
  return all;
}

std::vector<std::uint32_t> Trainer::read_meta(const Json& meta, const std::string& file) {
  if (meta.at("format") != kFormat) {
    throw InputError(
        fmt::format("{}: a checkpoint of format {}, expected {}; another version of "
                    "qloom wrote it",
                    file, meta.at("format").dump(), kFormat));
  }
  if (pipeline::current_configuration(meta.at("configuration"), *registry_) !=
          pipeline::configuration(pipeline_, *registry_) ||
      meta.at("seed") != pipeline_.seed) {
    throw InputError(fmt::format(
        "{}: belongs to another pipeline, model, seed or --set; remove it or leave --resume out",
        file));
  }
  const Json& c = meta.at("cursor");
  const Cursor cursor{c.at("stage"),
                      c.at("epoch_of_stage"),
                      c.at("epochs"),
                      c.at("steps"),
                      c.value("step_of_epoch", std::uint64_t{0}),
                      c.at("is_finalized")};
  auto versions = meta.at("procedure_versions").get<std::vector<std::uint32_t>>();
  if (cursor.stage > pipeline_.stages.size() || versions.size() != procedures_.size() ||
      cursor.step_of_epoch >= steps_per_epoch()) {
    throw InputError(
        fmt::format("{}: \"@meta\" is damaged: stage {} of {}, {} of {} procedures, "
                    "step {} of {}",
                    file, cursor.stage, pipeline_.stages.size(), versions.size(),
                    procedures_.size(), cursor.step_of_epoch, steps_per_epoch()));
  }
  cursor_ = cursor;
  loss_ = meta.at("loss").get<std::string>();
  inherits_shadows_ = meta.at("inherits_shadows").get<bool>();
  if (meta.contains("epoch_sums")) {  // not in checkpoints that were written at the end of an epoch
    const Json& sums = meta["epoch_sums"];
    sums_ = {double_of(sums.at(0)), sums.at(1), sums.at(2)};
    learning_rate_ = double_of(meta.at("learning_rate"));
    network_->set_last_phase(phase_of(meta.at("last_pass")));
  }
  facts_.series = meta.at("series");
  facts_.stages = meta.at("stages");
  facts_.reloads = meta.value("reloads", Json::array());
  warnings_.restore(meta.value("warnings", Json::array()));
  facts_.tables = meta.value("tables", std::map<std::string, Json>());
  facts_.custom = meta.at("custom").get<std::map<std::string, std::vector<double>>>();
  if (meta.contains("final")) {
    const Json& f = meta["final"];
    facts_.final_score = results::Score{f.at(0), f.at(1), f.at(2), f.at(3)};
  }
  return versions;
}

void Trainer::load(const std::filesystem::path& file) {
  restore(data::read_npz(file), file.string());
}

void Trainer::restore(const data::Arrays& all, const std::string& where) {
  data::ArrayReader reader(all, where);
  if (!reader.contains(kMeta)) {
    throw InputError(fmt::format("{}: no checkpoint of a run (array \"@meta\" is missing)", where));
  }
  const auto& text = reader.read_list<std::uint8_t>(kMeta);
  std::vector<std::uint32_t> versions;
  try {
    const Json meta = Json::parse(text.begin(), text.end());
    require_lists(meta, where);
    versions = read_meta(meta, where);
    require_arrays(reader, all, meta.at("arrays"));
  } catch (const Json::exception& error) {
    throw InputError(fmt::format("{}: \"@meta\" is damaged: {}", where, error.what()));
  }
  network_->load_structure(reader);
  data::ArrayReader sites(all, where);
  network_->recall_sites(sites);
  lower();
  network_->load_everything(reader);
  for (std::size_t i = 0; i < procedures_.size(); ++i) {
    procedures_[i].load(reader, procedure_key(i), versions[i]);
  }
  if (const auto unread = reader.unread(); !unread.empty()) {
    throw InputError(fmt::format("{} belongs to nothing in this run, expected no such array{}",
                                 reader.where(unread[0]), reader.nearest_read(unread[0])));
  }
}

}  // namespace qloom::run
