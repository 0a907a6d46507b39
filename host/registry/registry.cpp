// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/registry/registry.hpp"

#include <algorithm>
#include <set>
#include <tuple>

#include <fmt/format.h>

#include "host/data/json_file.hpp"
#include "host/json/names.hpp"
#include "host/json/printable.hpp"
#include "host/json/schema.hpp"
#include "host/json/validate.hpp"
#include "host/registry/aliases.hpp"
#include "host/registry/inner.hpp"
#include "host/registry/libraries/libraries.hpp"
#include "host/registry/presets.hpp"
#include "host/registry/vocabulary.hpp"
#include "host/tensor/error.hpp"

namespace qloom::registry {
namespace fs = std::filesystem;
namespace {

/// A name under "keeps_state" that is no parameter would keep nothing, silently.
void check_kept_parameters(const Json& entry, const std::string& where) {
  const Json properties =
      entry.value("parameters", Json::object()).value("properties", Json::object());
  std::vector<std::string> known;
  for (const auto& [name, schema] : properties.items()) known.push_back(name);
  const Json kept = entry.value("keeps_state", Json::array());
  for (std::size_t i = 0; i < kept.size(); ++i) {
    const auto name = kept[i].get<std::string>();
    if (properties.contains(name)) continue;
    throw InputError(fmt::format("{}/keeps_state/{}: \"{}\" is no parameter of \"{}\"{}", where, i,
                                 json::printable(name), entry["id"].get<std::string>(),
                                 json::did_you_mean(name, known)));
  }
}

/// A recipe is its piece of a pipeline; no other method has one.
void check_piece(const Json& entry, bool is_recipe, const std::string& where) {
  if (entry.contains("pipeline") == is_recipe) return;
  throw InputError(fmt::format("{}{}", where,
                               is_recipe ? ": missing key \"pipeline\", which is what a recipe is"
                                         : "/pipeline: only a recipe has one, this is a " +
                                               entry["kind"].get<std::string>()));
}

std::vector<Method> read_manifest(const fs::path& file) {
  const Json text = data::read_json(file);
  static_cast<void>(json::validate(read_schema("plugin"), text, file.string() + ": "));
  std::vector<Method> methods;
  const bool is_list = text.contains("methods");
  const fs::path folder = file.parent_path();
  for (const Json& written : is_list ? text["methods"] : Json::array({text})) {
    Json entry = written;
    const std::string pointer = is_list ? fmt::format("/methods/{}", methods.size()) : "";
    const std::string where = file.string() + ": " + pointer;
    const bool is_recipe = entry["kind"] == "recipe";
    check_piece(entry, is_recipe, where);
    check_kept_parameters(entry, where);
    if (entry.contains("parameters")) {
      entry["parameters"] = resolve_vocabulary(
          read_schema("parameters"), std::move(entry["parameters"]), where + "/parameters");
      json::require_sound_schema(entry["parameters"], where + "/parameters");
    }
    check_aliases(entry, where);
    check_presets(entry, where);
    methods.push_back(
        {.kind = entry["kind"],
         .id = entry["id"],
         .version = entry["version"],
         .summary = entry["summary"],
         .manifest = entry,
         .as_written = written,
         .inner = inner_parameters(entry, where),
         .manifest_file = file,
         .manifest_pointer = pointer,
         .library_file = is_recipe ? fs::path() : folder / (folder.filename().string() + ".so")});
  }
  return methods;
}

/// The folder's manifests in the order of their names.
std::vector<fs::path> manifests_in(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const fs::path file = entry.path() / "plugin.json";
    if (fs::is_regular_file(file)) files.push_back(fs::absolute(file).lexically_normal());
  }
  if (error) {
    throw InputError(
        fmt::format("{}: cannot be searched for plugins: {}", folder.string(), error.message()));
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<fs::path> manifests_below(const std::vector<fs::path>& folders) {
  std::vector<fs::path> all;
  for (const fs::path& folder : folders) {
    for (fs::path& file : manifests_in(folder)) all.push_back(std::move(file));
  }
  return all;
}

}  // namespace

Registry::Registry(const std::vector<fs::path>& folders)
    : Registry(ReadThese{}, manifests_below(folders)) {}

Registry Registry::of_manifest(const fs::path& file) {
  const fs::path manifest = fs::absolute(file).lexically_normal();
  const std::vector<Method> methods = read_manifest(manifest);
  const auto holds_others = [](const Method& method) { return !method.inner.empty(); };
  if (std::none_of(methods.begin(), methods.end(), holds_others)) {
    return {ReadThese{}, {manifest}};
  }
  std::set<fs::path> seen{fs::weakly_canonical(manifest)};
  const auto unseen = [&seen](const std::vector<fs::path>& folders) {
    std::vector<fs::path> files = manifests_below(folders);
    std::erase_if(files,
                  [&](const auto& f) { return !seen.insert(fs::weakly_canonical(f)).second; });
    return files;
  };
  const std::vector<fs::path> beside = unseen({manifest.parent_path().parent_path()});
  std::unique_ptr<Registry> last(new Registry(ReadThese{}, unseen(default_folders())));
  std::unique_ptr<Registry> next(new Registry(ReadThese{}, beside, std::move(last)));
  return {ReadThese{}, {manifest}, std::move(next)};
}

Registry::Registry(ReadThese mark, const std::vector<fs::path>& manifests,
                   std::unique_ptr<Registry> next)
    : Registry(mark, manifests) {
  others_ = std::move(next);
}

Registry::Registry(ReadThese, const std::vector<fs::path>& manifests)
    : libraries_(std::make_unique<Libraries>()) {
  for (const fs::path& file : manifests) {
    for (Method& method : read_manifest(file)) {
      if (const Method* other = find(method.kind, method.id)) {
        throw InputError(fmt::format("{}: {} \"{}\" is also in {}", file.string(), method.kind,
                                     method.id, other->manifest_file.string()));
      }
      methods_.push_back(std::move(method));
    }
  }
  std::sort(methods_.begin(), methods_.end(), [](const Method& a, const Method& b) {
    return std::tie(a.kind, a.id) < std::tie(b.kind, b.id);
  });
}

Registry::~Registry() = default;

const Method* Registry::find(const std::string& kind, const std::string& id) const {
  for (const Method& method : methods_) {
    if (method.kind == kind && method.id == id) return &method;
  }
  return others_ == nullptr ? nullptr : others_->find(kind, id);
}

const Method& Registry::require(const std::string& kind, const std::string& id,
                                const std::string& where) const {
  if (const Method* method = find(kind, id)) return *method;
  if (others_ != nullptr) return others_->require(kind, id, where);
  std::vector<std::string> ids;
  std::string other;  // the same id may be a method of another kind
  for (const Method& method : methods_) {
    if (method.kind == kind) ids.push_back(method.id);
    if (method.id == id) other = fmt::format(" (it is a {})", method.kind);
  }
  if (methods_.empty()) {
    throw InputError(
        fmt::format("{}: {} \"{}\" is unknown: no plugins were found; "
                    "QLOOM_PLUGIN_PATH names their folder",
                    where, kind, id));
  }
  throw InputError(fmt::format("{}: unknown {} \"{}\"{}{}", where, kind, id, other,
                               json::nearest_or_known(id, ids)));
}

Json Registry::resolve_parameters(const Method& method, const Json& params,
                                  const std::string& where, int depth) const {
  static const Json kNone{{"type", "object"}, {"additionalProperties", false}};
  const bool has_schema = method.manifest.contains("parameters");
  const Json written = with_preset(method, current_names(method, params, where).params, where);
  return resolve_inner(
      *this, method,
      json::validate(has_schema ? method.manifest["parameters"] : kNone, written, where), where,
      depth);
}

}  // namespace qloom::registry
