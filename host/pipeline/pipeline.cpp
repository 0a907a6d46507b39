// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/pipeline/pipeline.hpp"

#include <initializer_list>
#include <set>

#include <fmt/format.h>

#include "host/data/json_file.hpp"
#include "host/json/text.hpp"
#include "host/json/validate.hpp"
#include "host/pipeline/formats.hpp"
#include "host/pipeline/overrides.hpp"
#include "host/pipeline/recipe.hpp"
#include "host/pipeline/rules.hpp"
#include "host/pipeline/stages.hpp"
#include "host/tensor/error.hpp"

namespace qloom::pipeline {
namespace fs = std::filesystem;
namespace {

constexpr int kFormat = 1;  // newest revision of the grammar that is understood

/// Reads a checked document into a Pipeline, filling in document_ on the way.
class Loader {
 public:
  Loader(const fs::path& file, Json written, Json document, const std::optional<Recipe>& recipe,
         Notes notes, const registry::Registry& registry)
      : file_(file),
        written_(std::move(written)),
        document_(std::move(document)),
        recipe_(recipe),
        registry_(registry) {
    p_.notes = std::move(notes);
  }

  Pipeline read() {
    p_.file = file_;
    if (!document_.contains("name")) document_["name"] = file_.stem().string();
    p_.name = document_["name"].get<std::string>();
    p_.seed = document_["seed"].get<std::uint64_t>();
    read_data();
    read_model();
    if (document_.contains("start_from")) {
      read_start();
      check_chain();
      if (!p_.weights.empty()) {
        throw InputError(
            fmt::format("{}: {} has no effect beside \"start_from\", whose weights this "
                        "run takes; expected one of them",
                        where("/model/weights"), value("/model/weights").dump()));
      }
    }
    read_methods();
    for (std::size_t i = 0; i < document_["stages"].size(); ++i) {
      p_.stages.push_back(resolve_stage(document_["stages"][i], written_["stages"][i],
                                        where(fmt::format("/stages/{}", i))));
    }
    p_.as_written = std::move(written_);
    p_.as_used = std::move(document_);
    return std::move(p_);
  }

 private:
  [[nodiscard]] std::string where(const std::string& pointer) const {
    return file_.string() + ": " + pointer;
  }
  [[nodiscard]] const Json& value(const std::string& pointer) const {
    return document_.at(Json::json_pointer(pointer));
  }
  /// A path of the document, relative to the pipeline's file; empty when it is absent.
  [[nodiscard]] fs::path path(const std::string& pointer) const {
    if (!document_.contains(Json::json_pointer(pointer))) return {};
    const fs::path written = value(pointer).get<std::string>();
    return written.is_absolute() ? written : file_.parent_path() / written;
  }
  [[nodiscard]] fs::path existing(const std::string& pointer) const {
    fs::path found = path(pointer);
    std::error_code error;  // of a name that the system refuses
    if (!fs::is_regular_file(found, error)) {
      throw InputError(fmt::format("{}: {} is not a file; expected one at \"{}\"", where(pointer),
                                   value(pointer).dump(), found.string()));
    }
    return found;
  }

  /// A file name, or an object; where both say the same, the name is what configuration() tells.
  void read_start() {
    Json& start = document_["start_from"];
    if (start.is_string()) {
      p_.start_from = existing("/start_from");
      return;
    }
    p_.start_from = existing("/start_from/pipeline");
    if (!start.contains("state")) start["state"] = true;
    p_.takes_state = start["state"].get<bool>();
    if (p_.takes_state) start = Json(start["pipeline"]);
  }

  /// Follows start_from from file to file; a circle has no first run.
  void check_chain() const {
    std::set<fs::path> seen{fs::weakly_canonical(file_)};
    for (fs::path next = p_.start_from; seen.insert(fs::weakly_canonical(next)).second;) {
      const Json text = data::read_json(next);
      if (!text.is_object() || !text.contains("start_from")) return;
      const Json start = text["start_from"].is_object()
                             ? text["start_from"].value("pipeline", Json())
                             : text["start_from"];
      if (!start.is_string()) return;  // told when that pipeline is loaded
      next = next.parent_path() / start.get<std::string>();
      std::error_code error;
      if (!fs::is_regular_file(next, error)) return;  // told when that pipeline is loaded
    }
    throw InputError(
        fmt::format("{}: {} leads back to a pipeline that starts from it; expected a "
                    "chain with an end",
                    where("/start_from"), value("/start_from").dump()));
  }

  void read_data() {
    const Json& d = document_["data"];
    data::Source& s = p_.source;
    s.dataset = d["dataset"].get<std::string>();
    s.folder = path("/data/folder");
    s.train_images = path("/data/train_images");
    s.train_labels = path("/data/train_labels");
    s.test_images = path("/data/test_images");
    s.test_labels = path("/data/test_labels");
    s.train_file = path("/data/train_file");
    s.test_file = path("/data/test_file");
    s.train_limit = d["train_limit"].get<std::int64_t>();
    s.test_limit = d["test_limit"].get<std::int64_t>();
    p_.batch_size = d["batch_size"].get<std::int64_t>();
    const std::string normalisation = d["normalisation"].get<std::string>();
    p_.normalisation = normalisation == "unit"        ? data::Normalisation::kUnit
                       : normalisation == "symmetric" ? data::Normalisation::kSymmetric
                                                      : data::Normalisation::kStandard;
    check_data_keys();
  }

  /// Each dataset has its own way to say where the files are.
  void check_data_keys() const {
    const std::string& dataset = p_.source.dataset;
    if (dataset == "fashion-mnist" || dataset == "cifar-10") {
      refuse_data_keys({"train_images", "train_labels", "test_images", "test_labels", "train_file",
                        "test_file"});
      return;
    }
    refuse_data_keys({"folder"});
    const Json& d = document_["data"];
    if (dataset == "numpy" && (d.contains("train_file") || d.contains("test_file"))) {
      refuse_data_keys({"train_images", "train_labels", "test_images", "test_labels"});
      require_data_keys({"train_file", "test_file"});
      return;
    }
    if (dataset == "idx") refuse_data_keys({"train_file", "test_file"});
    require_data_keys({"train_images", "train_labels", "test_images", "test_labels"});
  }
  void refuse_data_keys(std::initializer_list<const char*> keys) const {
    for (const char* key : keys) {
      if (!document_["data"].contains(key)) continue;
      throw InputError(fmt::format("{}: {} has no meaning with dataset \"{}\" as it is given here",
                                   where(std::string("/data/") + key),
                                   document_["data"][key].dump(), p_.source.dataset));
    }
  }
  void require_data_keys(std::initializer_list<const char*> keys) const {
    for (const char* key : keys) {
      if (document_["data"].contains(key)) continue;
      throw InputError(fmt::format("{}: missing key \"{}\", which dataset \"{}\" needs",
                                   where("/data"), key, p_.source.dataset));
    }
  }

  void read_model() {
    const Json& m = document_["model"];
    if (m.contains("file") == m.contains("inline")) {
      throw InputError(fmt::format("{}: {} has {} \"file\" and \"inline\"; expected one of them",
                                   where("/model"), m.dump().substr(0, 80),
                                   m.contains("file") ? "both" : "neither"));
    }
    if (m.contains("file")) {
      p_.model_file = existing("/model/file");
      p_.model = data::read_json(p_.model_file);
      p_.model_where = p_.model_file.string();
    } else {
      p_.model = m["inline"];
      p_.model_where = where("/model/inline");
    }
    if (m.contains("weights")) p_.weights = existing("/model/weights");
  }

  void read_methods() {
    if (document_.contains("norm")) {
      document_["norm"] =
          resolve_method(registry_, "norm", document_["norm"], where("/norm"), p_.notes);
    } else if (registry_.find("norm", "batch_norm") != nullptr) {
      document_["norm"] =
          resolve_method(registry_, "norm", {{"plugin", "batch_norm"}}, where("/norm"), p_.notes);
    } else {
      document_["norm"] = {{"plugin", "batch_norm"}};  // missed only by a model that has a norm
    }
    p_.norm = document_["norm"];
    document_.erase("recipe");  // as used, the pipeline stands for itself
    Json rules = Json::array(), procedures = Json::array();
    if (recipe_) {
      p_.recipe = recipe_->used;
      const std::string& file = recipe_->file;
      add_rules(recipe_->pipeline["rules"], file, recipe_->pointer + "/rules", rules);
      add_procedures(recipe_->pipeline["procedures"],
                     file + ": " + recipe_->pointer + "/procedures", procedures);
    }
    if (document_.contains("formats")) add_formats(rules);
    add_rules(document_["rules"], file_.string(), "/rules", rules);
    add_procedures(document_["procedures"], where("/procedures"), procedures);
    document_["rules"] = std::move(rules);
    document_["procedures"] = std::move(procedures);
  }
  /// Rules that stand at `pointer` of a file, resolved, to the run's and behind `all`.
  void add_rules(const Json& rules, const std::string& file, const std::string& pointer,
                 Json& all) {
    for (std::size_t i = 0; i < rules.size(); ++i) {
      add_rule(rules[i], file, fmt::format("{}/{}", pointer, i), all);
    }
  }
  void add_rule(const Json& rule, const std::string& file, const std::string& pointer, Json& all) {
    p_.rules.push_back(resolve_rule(rule, RuleUse::kPipeline, file, pointer, registry_));
    all.push_back(rule);
    all.back().update(p_.rules.back().body);
    p_.notes.add(p_.rules.back().notes);
  }
  /// The formats of another run, before the pipeline's own rules.
  void add_formats(Json& all) {
    const fs::path file = existing("/formats");
    p_.formats_file = file;
    bool trains = false;
    for (const Json& stage : document_["stages"]) trains |= stage.contains("train");
    for (const FormatRule& format : rules_of_formats(file, trains, p_.notes)) {
      add_rule(format.rule, file.string(), format.pointer, all);
    }
    document_.erase("formats");  // as used, the rules stand for it
  }
  /// `place`: their file and pointer.
  void add_procedures(const Json& procedures, const std::string& place, Json& all) {
    for (std::size_t i = 0; i < procedures.size(); ++i) {
      const std::string own = fmt::format("{}/{}", place, i);
      all.push_back(resolve_method(registry_, "procedure", procedures[i], own, p_.notes));
      Json params = all.back();
      refuse_repeated(all, own);
      const auto id = params["plugin"].get<std::string>();
      params.erase("plugin");
      p_.procedures.push_back({id, std::move(params), own});
    }
  }

  /// The same procedure with the same parameters would do its work twice: the last of `all`.
  void refuse_repeated(const Json& all, const std::string& place) const {
    for (std::size_t i = 0; i + 1 < all.size(); ++i) {
      if (all[i] != all.back()) continue;
      std::string other = p_.procedures[i].where;
      if (other.starts_with(where(""))) other = other.substr(where("").size());
      throw InputError(fmt::format("{}: {} is there twice; the other is {}", place,
                                   all.back()["plugin"].dump(), other));
    }
  }

  fs::path file_;
  Json written_, document_;
  std::optional<Recipe> recipe_;
  const registry::Registry& registry_;
  Pipeline p_;
};

}  // namespace

Pipeline load(const fs::path& file, const std::vector<std::string>& overrides,
              const registry::Registry& registry) {
  Json written = data::read_json(file);
  for (const std::string& assignment : overrides) apply_override(written, assignment);
  return read(file, std::move(written), registry);
}

Pipeline read(const fs::path& file, Json written, const registry::Registry& registry) {
  json::require_known_format(written, kFormat, file.string() + ": ");
  const Json schema = registry::read_schema("pipeline");
  const std::string place = file.string() + ": ";
  Json document = json::validate(schema, written, place);
  std::optional<Recipe> recipe;
  Notes notes;
  if (written.contains("recipe")) {
    recipe = resolve_recipe(registry, written["recipe"], place + "/recipe", notes);
    document = json::validate(schema, with_recipe(written, *recipe), place);
  }
  return Loader(file, std::move(written), std::move(document), recipe, std::move(notes), registry)
      .read();
}

Pipeline with_seed(Pipeline pipeline, std::uint64_t seed) {
  pipeline.seed = seed;
  pipeline.as_used["seed"] = seed;
  return pipeline;
}

namespace {

/// What a rule is when it does not stand in a pipeline's file.
Rule lone_rule(const Json& written, RuleUse use, const std::string& name,
               const registry::Registry& registry) {
  const Json schema =
      registry::read_schema("pipeline").at(Json::json_pointer("/properties/rules/items"));
  return resolve_rule(json::validate(schema, written, name + ": "), use, name, "", registry);
}

}  // namespace

Rule load_rule(const std::string& file_or_json, const registry::Registry& registry) {
  const std::size_t first = file_or_json.find_first_not_of(" \t\r\n");
  const bool is_inline = first != std::string::npos && file_or_json[first] == '{';
  const std::string name = is_inline ? "RULE" : file_or_json;
  const Json written = is_inline ? json::parse(file_or_json, name) : data::read_json(file_or_json);
  return lone_rule(written, RuleUse::kAlone, name, registry);
}

Rule added_rule(const Json& written, const std::string& name, const registry::Registry& registry) {
  Rule rule = lone_rule(written, RuleUse::kPipeline, name, registry);
  for (const char* key : {"from", "norm"}) {
    if (written.contains(key)) {
      throw InputError(
          fmt::format("{}: /{}: a rule that a procedure adds acts at once, and norms "
                      "stay as they are; expected a rule without it",
                      name, key));
    }
  }
  return rule;
}

}  // namespace qloom::pipeline
