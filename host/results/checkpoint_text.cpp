// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/results/checkpoint_text.hpp"

#include <bit>

#include <fmt/format.h>

#include "host/data/arrays/array_file.hpp"
#include "host/json/validate.hpp"
#include "host/registry/registry.hpp"
#include "host/tensor/error.hpp"

namespace qloom::results {
namespace {

using json::Json;

constexpr const char* kMeta = "@meta";
constexpr int kFormat = 2;  // of the text; 1 had no list of arrays

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
Json pass_json(const sites::Phase& p) {
  return {p.step, p.epoch, p.training, bits_of(p.learning_rate)};
}
sites::Phase phase_of(const Json& p) { return {p.at(0), p.at(1), p.at(2), double_of(p.at(3))}; }

/// What a checkpoint holds beside weights and norm statistics: families of arrays.
constexpr const char* kOtherFamilies[] = {
    kMeta,        "velocity/", "second/",      "shadow/", "site/",       "learned/", "overflows/",
    "procedure/", "removed/",  "shadow_norm/", "held/",   "importance/", "control/"};

Json to_json(const CheckpointText& t) {
  const Cursor& c = t.cursor;
  Json meta{{"format", kFormat},
            {"arrays", t.arrays},
            {"configuration", t.configuration},
            {"seed", t.seed},
            {"inputs", t.inputs},
            {"cursor",
             {{"stage", c.stage},
              {"epoch_of_stage", c.epoch_of_stage},
              {"epochs", c.epochs},
              {"steps", c.steps},
              {"step_of_epoch", c.step_of_epoch},
              {"round", c.round},
              {"optimizer_start", c.optimizer_start},
              {"is_finalized", c.weights == Cursor::Weights::kFinal}}},
            {"loss", c.loss},
            {"inherits_shadows", c.averages == Cursor::Averages::kInherited},
            {"epoch_sums", {bits_of(c.sums.loss), c.sums.correct, c.sums.seen}},
            {"learning_rate", bits_of(c.learning_rate)},
            {"last_pass", pass_json(t.last_pass)},
            {"series", t.series},
            {"stages", t.stages},
            {"custom", t.custom},
            {"tables", t.tables},
            {"formats_of_training", t.formats_of_training},
            {"reloads", t.reloads},
            {"added_rules", t.added_rules},
            {"warnings", t.warnings},
            {"procedure_versions", t.procedure_versions}};
  if (t.final_score) {
    const Score& f = *t.final_score;
    meta["final"] = {f.loss, f.accuracy, f.correct, f.count};
  }
  return meta;
}

Cursor cursor_of(const Json& meta) {
  const Json& c = meta["cursor"];
  Cursor cursor{.stage = c["stage"],
                .epoch_of_stage = c["epoch_of_stage"],
                .epochs = c["epochs"],
                .steps = c["steps"],
                .round = c["round"],
                .step_of_epoch = c["step_of_epoch"],
                .optimizer_start = c["optimizer_start"],
                .sums = {},
                .weights = c["is_finalized"].get<bool>() ? Cursor::Weights::kFinal
                                                         : Cursor::Weights::kInTraining,
                .averages = meta["inherits_shadows"].get<bool>() ? Cursor::Averages::kInherited
                                                                 : Cursor::Averages::kOwn,
                .loss = meta["loss"],
                .learning_rate = double_of(meta.value("learning_rate", Json(0)))};
  // Not in checkpoints of older programs that were written at the end of an epoch.
  if (meta.contains("epoch_sums")) {
    const Json& sums = meta["epoch_sums"];
    cursor.sums = {double_of(sums[0]), sums[1], sums[2]};
  }
  return cursor;
}

/// Of a text that follows its schema.
CheckpointText from_json(const Json& meta) {
  CheckpointText t{.arrays = meta["arrays"],
                   .configuration = meta["configuration"],
                   .inputs = meta["inputs"],
                   .seed = meta["seed"],
                   .cursor = cursor_of(meta),
                   .last_pass = {},
                   .series = meta["series"],
                   .stages = meta["stages"],
                   .reloads = meta["reloads"],
                   .warnings = meta["warnings"],
                   .added_rules = meta["added_rules"],
                   .custom = meta["custom"],
                   .tables = meta["tables"],
                   .formats_of_training = meta["formats_of_training"],
                   .final_score = {},
                   .procedure_versions = meta["procedure_versions"]};
  if (meta.contains("last_pass")) t.last_pass = phase_of(meta["last_pass"]);
  if (meta.contains("final")) {
    const Json& f = meta["final"];
    t.final_score = Score{f[0], f[1], f[2], f[3]};
  }
  return t;
}

}  // namespace

Json list_of(const data::Arrays& arrays) {
  Json list = Json::object();
  for (const auto& [name, array] : arrays) list[name] = data::describe(array);
  return list;
}

void add_text(const CheckpointText& text, data::Arrays& arrays) {
  const std::string dump = to_json(text).dump();
  arrays[kMeta] = {{static_cast<std::int64_t>(dump.size())},
                   std::vector<std::uint8_t>(dump.begin(), dump.end())};
}

Json read_checkpoint_meta(data::ArrayReader& reader) {
  if (!reader.contains(kMeta)) {
    throw InputError(
        fmt::format("{}: no checkpoint of a run (array \"@meta\" is missing)", reader.file()));
  }
  return reader.read_json(kMeta);
}

Json read_checkpoint_meta(const std::filesystem::path& file) {
  const data::Arrays all = data::read_npz(file);
  data::ArrayReader reader(all, file.string());
  return read_checkpoint_meta(reader);
}

CheckpointText read_checkpoint_text(data::ArrayReader& reader, const data::Arrays& arrays) {
  const Json meta = read_checkpoint_meta(reader);
  if (meta.is_object() && meta.value("format", Json()) != kFormat) {
    throw InputError(
        fmt::format("{}: a checkpoint of format {}, expected {}; another version of qloom wrote it",
                    reader.file(), meta.value("format", Json()).dump(), kFormat));
  }
  CheckpointText text = from_json(
      json::validate(registry::read_schema("checkpoint"), meta, reader.where(kMeta) + ": "));
  require_arrays(reader, arrays, text.arrays);
  return text;
}

void require_site_arrays(data::ArrayReader& reader, const data::Arrays& arrays) {
  const std::string family = "site/";
  if (!reader.contains_below(family)) return;
  const Json meta = reader.read_json(kMeta);
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
  const Json meta = reader.read_json(kMeta);
  if (!meta.is_object() || !meta.contains("loss") || !meta["loss"].is_string()) {
    throw InputError(
        fmt::format("{}: \"@meta\" does not name the \"loss\" of the training; "
                    "another version of qloom wrote it",
                    reader.file()));
  }
  return meta["loss"].get<std::string>();
}

}  // namespace qloom::results
