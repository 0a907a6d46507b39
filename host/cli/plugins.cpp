// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "host/cli/commands.hpp"
#include "host/data/streams.hpp"
#include "host/json/names.hpp"
#include "host/json/printable.hpp"
#include "host/pipeline/recipe.hpp"
#include "host/tensor/error.hpp"

namespace qloom::cli {
namespace {

using json::Json;
using json::printable;
using json::printable_json;
using registry::Method;

/// A string as it reads, anything else as JSON.
std::string text_of(const Json& value) {
  return value.is_string() ? printable(value.get<std::string>()) : printable_json(value, -1);
}

void list(bool as_json) {
  const registry::Registry registry = open_registry();
  if (as_json) {
    Json rows = Json::array();
    for (const Method& m : registry.methods()) {
      rows.push_back({{"kind", m.kind},
                      {"id", m.id},
                      {"version", m.version},
                      {"summary", m.summary},
                      {"library", m.library_file.string()}});
    }
    data::print("{}\n", json::printable_json(rows, 2));
    return;
  }
  if (registry.methods().empty()) {
    data::print("no plugins were found; QLOOM_PLUGIN_PATH names folders that hold some\n");
    return;
  }
  std::size_t kind_width = 4, id_width = 2;
  for (const Method& m : registry.methods()) {
    kind_width = std::max(kind_width, m.kind.size());
    id_width = std::max(id_width, m.id.size());
  }
  data::print("{:<{}}  {:<{}}  {:<8}  {}\n", "kind", kind_width, "id", id_width, "version",
              "summary");
  for (const Method& m : registry.methods()) {
    data::print("{:<{}}  {:<{}}  {:<8}  {}\n", m.kind, kind_width, m.id, id_width,
                printable(m.version), printable(m.summary));
  }
}

std::string reference_line(const Json& r);

/// One Markdown table, as README.md holds it.
void list_markdown() {
  const registry::Registry registry = open_registry();
  data::print("| kind | id | what | reference |\n|---|---|---|---|\n");
  for (const Method& m : registry.methods()) {
    std::string reference;
    if (m.manifest.contains("reference")) {
      const Json& r = m.manifest["reference"];
      const Json& first = r.is_array() && !r.empty() ? r[0] : r;
      reference =
          first.is_object() && first.contains("authors") && first.contains("year")
              ? fmt::format("{}, {}", first["authors"].get<std::string>(), first["year"].dump())
              : reference_line(first);
    }
    data::print("| {} | `{}` | {} | {} |\n", m.kind, m.id, printable(m.summary),
                printable(reference));
  }
}

std::string reference_line(const Json& r) {
  if (r.is_string()) return r.get<std::string>();
  std::string text;
  for (const char* key : {"authors", "title", "venue", "year", "arxiv", "doi"}) {
    if (!r.contains(key)) continue;
    const std::string value = r[key].is_string() ? r[key].get<std::string>() : r[key].dump();
    if (!text.empty()) text += ", ";
    text += std::string(key) == "arxiv" ? "arXiv " + value : value;
  }
  return text;
}

/// With which values of others a parameter has an effect: ' (only with part "weight")'.
std::string condition_of(const Json& only_with, const std::string& name) {
  if (!only_with.contains(name)) return "";
  std::string text;
  for (const auto& [other, values] : only_with[name].items()) {
    std::string list;
    for (const Json& value : values) {
      list += (list.empty() ? "" : ", ") + (value.is_null() ? "absent" : value.dump());
    }
    text += (text.empty() ? " (only with " : ", ") + other + " " + list;
  }
  return text + ")";
}

void print_parameters(const Json& schema, const Json& only_with) {
  const Json properties = schema.value("properties", Json::object());
  if (properties.empty()) {
    data::print("parameters: none\n");
    return;
  }
  data::print("parameters:\n");
  const Json required = schema.value("required", Json::array());
  for (const auto& [name, p] : properties.items()) {
    const bool is_required = std::find(required.begin(), required.end(), name) != required.end();
    data::print("  {}{}{}\n", printable(name),
                p.contains("default") ? fmt::format(" = {}", printable_json(p["default"], -1))
                : is_required         ? " (required)"
                                      : "",
                printable(condition_of(only_with, name)));
    if (p.contains("description")) data::print("      {}\n", text_of(p["description"]));
    Json rules = p;
    rules.erase("description");
    rules.erase("default");
    if (p.contains("x-qloom-kind")) {
      data::print("      a {}: {{\"plugin\": ID, its parameters}}; see qloom plugins list\n",
                  p["x-qloom-kind"].get<std::string>());
      continue;
    }
    if (!rules.empty()) data::print("      {}\n", printable_json(rules, -1));
  }
}

/// Where the method, or each part of it, is meant to stand.
void print_sites(const Json& sites) {
  const auto print = [](const std::string& of, const Json& list) {
    const auto names = list.get<std::vector<std::string>>();
    data::print("sites:      {}{}\n", printable(of), fmt::join(names, ", "));
  };
  if (sites.is_array()) return print("", sites);
  for (const auto& [part, list] : sites.items()) print("part " + part + ": ", list);
}

/// "old names:  s_min (now minimum), ste_clip (now ste: true is clipped, false is identity)".
void print_aliases(const Json& aliases) {
  std::string text;
  for (const auto& [old_name, alias] : aliases.items()) {
    std::string now = text_of(alias.is_string() ? alias : alias["name"]);
    const Json values = alias.is_string() ? Json::array() : alias.value("values", Json::array());
    for (std::size_t i = 0; i < values.size(); ++i) {
      now += fmt::format("{} {} is {}", i == 0 ? ":" : ",", text_of(values[i]["from"]),
                         text_of(values[i]["to"]));
    }
    text += fmt::format("{}{} (now {})", text.empty() ? "" : ", ", printable(old_name), now);
  }
  data::print("old names:  {}\n", text);
}

void print_presets(const Json& presets) {
  for (const auto& [name, preset] : presets.items()) {
    data::print("preset:     {}: {}\n", printable(name), printable_json(preset, -1));
  }
}

void print_method(const Method& m) {
  data::print("{} \"{}\" {}\n{}\n", m.kind, m.id, printable(m.version), printable(m.summary));
  if (m.manifest.contains("formula")) {
    data::print("formula:    {}\n", text_of(m.manifest["formula"]));
  }
  if (m.manifest.contains("reference")) {
    const Json& r = m.manifest["reference"];
    for (const Json& one : r.is_array() ? r : Json::array({r})) {
      data::print("reference:  {}\n", printable(reference_line(one)));
    }
  }
  for (const Json& deviation : m.manifest.value("deviations", Json::array())) {
    data::print("deviation:  {}\n", text_of(deviation));
  }
  if (m.manifest.contains("sites")) print_sites(m.manifest["sites"]);
  if (m.kind != "recipe") data::print("library:    {}\n", m.library_file.string());
  if (m.manifest.contains("keeps_state")) {
    std::string names;
    for (const Json& name : m.manifest["keeps_state"]) {
      names += (names.empty() ? "" : ", ") + text_of(name);
    }
    data::print("keeps what it learned when these change: {}\n", names);
  }
  print_presets(m.manifest.value("presets", Json::object()));
  if (m.manifest.contains("aliases")) print_aliases(m.manifest["aliases"]);
  print_parameters(m.manifest.value("parameters", Json::object()),
                   m.manifest.value("only_with", Json::object()));
}

/// What a recipe stands for: with its defaults where every parameter has one.
void print_expansion(const Method& m, const registry::Registry& registry) {
  const Json required = m.manifest.value("parameters", Json::object()).value("required", Json());
  Json piece = m.manifest["pipeline"];
  if (required.empty()) {
    pipeline::Notes notes;
    piece = pipeline::resolve_recipe(registry, {{"plugin", m.id}}, m.id, notes).pipeline;
  }
  data::print("stands for:\n{}\n", printable_json(piece, 2));
}

/// `wanted` is an id, or "<kind>/<id>" where two kinds share one.
void show(const std::string& wanted, bool as_json) {
  const registry::Registry registry = open_registry();
  std::vector<const Method*> found;
  std::vector<std::string> known;
  for (const Method& m : registry.methods()) {
    known.push_back(m.id);
    if (m.id == wanted || m.kind + "/" + m.id == wanted) found.push_back(&m);
  }
  if (found.empty()) {
    const std::string nearest = json::nearest_name(wanted, known);
    throw InputError(fmt::format("\"{}\" is no method's id{}", wanted,
                                 known.empty()     ? ": no plugins were found"
                                 : nearest.empty() ? "; see qloom plugins list"
                                                   : ", did you mean \"" + nearest + "\"?"));
  }
  if (as_json) {
    Json all = Json::array();
    for (const Method* m : found) all.push_back(m->manifest);
    data::print("{}\n", json::printable_json(all.size() == 1 ? all[0] : all, 2));
    return;
  }
  for (const Method* m : found) {
    if (m != found.front()) data::print("\n");
    print_method(*m);
    if (m->kind == "recipe") print_expansion(*m, registry);
  }
}

}  // namespace

void add_plugins(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand(
      "plugins", "What methods there are, their parameters, and a start for a new one.");
  command->require_subcommand(1);
  struct Options {
    bool as_json = false, as_markdown = false;
    std::string id;
  };
  auto options = std::make_shared<Options>();
  CLI::App* list_command = command->add_subcommand("list", "All methods, one a line.");
  auto* json_flag = list_command->add_flag("--json", options->as_json, "Prints JSON");
  list_command->add_flag("--markdown", options->as_markdown, "Prints a Markdown table")
      ->excludes(json_flag);
  list_command->callback([options, &action] {
    action = [options] { options->as_markdown ? list_markdown() : list(options->as_json); };
  });
  CLI::App* show_command =
      command->add_subcommand("show", "One method: summary, formula, paper, parameters.");
  show_command->add_option("id", options->id, "Id, or kind/id")->required()->type_name("ID");
  show_command->add_flag("--json", options->as_json, "Prints the manifest");
  show_command->callback(
      [options, &action] { action = [options] { show(options->id, options->as_json); }; });
  add_plugins_new(*command, action);
  add_plugins_check(*command, action);
}

}  // namespace qloom::cli
