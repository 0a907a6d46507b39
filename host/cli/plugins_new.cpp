// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// qloom plugins new: the templates of sdk/template with the new method's names in them. Three
// layers, each adds files: common, kinds/<kind>, <language>/<kind>.
#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

#include "host/cli/commands.hpp"
#include "host/data/arrays/array_file.hpp"
#include "host/data/streams.hpp"
#include "host/json/names.hpp"
#include "host/tensor/error.hpp"

namespace qloom::cli {
namespace fs = std::filesystem;
namespace {

struct NewCommand {
  std::string kind, id, language = "c++";
  fs::path folder;
};

constexpr std::array kKinds = {"quantizer",   "rounding",  "range",      "norm",
                               "accumulator", "procedure", "requantizer"};
bool is_word(const std::string& text) {
  return !text.empty() && text[0] >= 'a' && text[0] <= 'z' &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
         });
}

/// The part of the id after the dot; InputError for an id that no manifest may have.
std::string name_of(const std::string& id) {
  const std::size_t dot = id.find('.');
  const std::string name = dot == std::string::npos ? id : id.substr(dot + 1);
  if ((dot != std::string::npos && !is_word(id.substr(0, dot))) || !is_word(name)) {
    throw InputError(fmt::format(
        "ID: \"{}\", expected small letters, digits and \"_\" after a letter, and at most one word "
        "and a dot before: \"my_method\" or \"acme.my_method\"",
        id));
  }
  return name;
}

/// A word for a shell, quoted where it must be.
std::string shell_word(const std::string& text) {
  const bool is_plain = std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || std::string_view("/._-+=@:,").find(char(c)) != std::string::npos;
  });
  if (is_plain && !text.empty()) return text;
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? "'\\''" : std::string(1, c);
  return quoted + "'";
}

void check(const NewCommand& o) {
  if (std::find(kKinds.begin(), kKinds.end(), o.kind) == kKinds.end()) {
    const std::string nearest = json::nearest_name(o.kind, {kKinds.begin(), kKinds.end()});
    throw InputError(fmt::format("KIND: \"{}\", expected one of {}{}", o.kind,
                                 fmt::join(kKinds, ", "),
                                 nearest.empty() ? "" : "; did you mean \"" + nearest + "\"?"));
  }
  const registry::Registry registry = open_registry();
  if (const registry::Method* found = registry.find(o.kind, o.id)) {
    throw InputError(fmt::format("ID: \"{}\" is a {} already, in {}; expected a new id", o.id,
                                 o.kind, found->manifest_file.string()));
  }
  if (fs::exists(fs::symlink_status(o.folder))) {
    throw InputError(fmt::format("--directory: \"{}\" exists already; expected a new folder",
                                 o.folder.string()));
  }
  const fs::path parent = fs::absolute(o.folder).parent_path();
  if (!fs::is_directory(parent)) {
    throw InputError(fmt::format("--directory: \"{}\": the folder \"{}\" does not exist",
                                 o.folder.string(), parent.string()));
  }
  data::require_writable_folder(parent);
}

using Names = std::vector<std::pair<std::string, std::string>>;

std::string filled_in(std::string text, const Names& names) {
  for (const auto& [placeholder, value] : names) {
    for (std::size_t at = 0; (at = text.find(placeholder, at)) != std::string::npos;) {
      text.replace(at, placeholder.size(), value);
      at += value.size();
    }
  }
  return text;
}

/// Copies a layer's files; the method's source gets the method's name.
void write_layer(const fs::path& layer, const fs::path& to, const std::string& name,
                 const Names& names) {
  if (!fs::is_directory(layer)) {
    throw InputError(
        fmt::format("\"{}\" is missing; expected the templates of qloom there", layer.string()));
  }
  for (const auto& entry : fs::recursive_directory_iterator(layer)) {
    if (!entry.is_regular_file()) continue;
    fs::path file = to / fs::relative(entry.path(), layer);
    if (file.stem() == "method") file.replace_filename(name + file.extension().string());
    fs::create_directories(file.parent_path());
    data::write_text(file, filled_in(data::read_text(entry.path()), names));
  }
}

void write_project(const NewCommand& o, const fs::path& to) {
  const bool is_c = o.language == "c";
  const std::string name = name_of(o.id), ending = is_c ? "c" : "cpp";
  const Names names = {{"@ID@", o.id},
                       {"@NAME@", name},
                       {"@KIND@", o.kind},
                       {"@LANGUAGE@", is_c ? "C" : "CXX"},
                       {"@ENDING@", ending}};
  const fs::path templates = registry::template_folder();
  for (const fs::path& layer :
       {templates / "common", templates / "kinds" / o.kind, templates / ending / o.kind}) {
    write_layer(layer, to, name, names);
  }
}

/// Where this program is installed, for CMake; empty in its build.
std::string prefix_option() {
  const fs::path share = registry::template_folder().parent_path();
  if (!share.string().ends_with("/share/qloom")) return "";
  return fmt::format(" -DCMAKE_PREFIX_PATH={}",
                     shell_word(share.parent_path().parent_path().string()));
}

void create(NewCommand o) {
  static_cast<void>(name_of(o.id));
  if (o.folder.empty()) o.folder = o.id;
  if (!o.folder.has_filename()) o.folder = o.folder.parent_path();  // "folder/"
  check(o);
  const fs::path temporary = o.folder.string() + fmt::format(".new{}", getpid());
  try {
    write_project(o, temporary);
    fs::rename(temporary, o.folder);
  } catch (const std::exception& e) {
    std::error_code ignored;
    fs::remove_all(temporary, ignored);
    if (dynamic_cast<const fs::filesystem_error*>(&e) != nullptr) throw RunError(e.what());
    throw;
  }
  data::print(
      "{0}: a {1} in {2}; README.md there says what to change. Build and test it:\n"
      "  cmake -S {3} -B {4}{5} && cmake --build {4} && ctest --test-dir {4}\n",
      o.folder.string(), o.kind, o.language == "c" ? "C" : "C++", shell_word(o.folder.string()),
      shell_word((o.folder / "build").string()), prefix_option());
}

}  // namespace

void add_plugins_new(CLI::App& plugins, Action& action) {
  CLI::App* command = plugins.add_subcommand(
      "new", "Writes a folder with a method to start from: it builds, has a test and runs.");
  auto options = std::make_shared<NewCommand>();
  command
      ->add_option("kind", options->kind,
                   "quantizer, rounding, range, norm, accumulator, procedure or requantizer")
      ->required()
      ->type_name("KIND");
  command->add_option("id", options->id, "Id: my_method, or acme.my_method")
      ->required()
      ->type_name("ID");
  command->add_option("--language", options->language, "c++ or c. Default: c++")
      ->check(one_of({"c++", "c"}))
      ->type_name("LANGUAGE");
  command->add_option("--directory", options->folder, "Folder to write. Default: ID")
      ->type_name("D");
  command->callback([options, &action] { action = [options] { create(*options); }; });
}

}  // namespace qloom::cli
