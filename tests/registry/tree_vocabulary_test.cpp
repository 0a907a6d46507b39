// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Holds every manifest of the tree, of the templates and of the examples to docs/vocabulary.md: one
// name, one meaning, one default.
#include <algorithm>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "host/data/arrays/array_file.hpp"
#include "host/data/json_file.hpp"
#include "host/registry/registry.hpp"

namespace qloom::registry {
namespace {
namespace fs = std::filesystem;

const std::string kPrefix = "qloom:parameters#/";

/// Names that parameters had before, or that say what a name of the vocabulary says.
const std::set<std::string> kRetired{
    "alpha_decay", "alpha_init",    "alpha_lr_mult", "alpha_min", "bits_g",    "bits_w",
    "c_init",      "d_init",        "epsilon",       "init",      "lr_factor", "lr_mult",
    "mode",        "n_bits",        "num_bits",      "per",       "s_min",     "saturate",
    "scale_init",  "scale_lr_mult", "scale_min",     "ste_clip",  "width_bits"};

const Json& vocabulary() {
  static const Json text = data::read_json(schema_folder() / "parameters.schema.json");
  return text;
}

/// The parameter of the vocabulary that a parameter of this name must be; empty: none.
std::string shared_name(const std::string& name) {
  const std::string shared = name.starts_with("initial_") ? "initial" : name;
  return vocabulary().contains(shared) && vocabulary()[shared].is_object() ? shared : "";
}

/// Every method of the tree by its manifest's file.
std::vector<std::pair<std::string, Json>> methods_of_the_tree() {
  const fs::path root = QLOOM_SOURCE_DIR;
  std::vector<std::pair<std::string, Json>> all;
  for (const char* folder : {"plugins", "sdk/template/kinds", "examples"}) {
    for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
      if (entry.path().filename() != "plugin.json") continue;
      const Json manifest = data::read_json(entry.path());
      for (const Json& method : manifest.value("methods", Json::array({manifest}))) {
        all.emplace_back(fs::relative(entry.path(), root).string(), method);
      }
    }
  }
  std::sort(all.begin(), all.end());
  return all;
}

Json properties_of(const Json& method) {
  return method.value("parameters", Json::object()).value("properties", Json::object());
}

class Drifts {
 public:
  explicit Drifts(const std::vector<std::pair<std::string, Json>>& methods) {
    for (const auto& [file, method] : methods) {
      const Json properties = properties_of(method);
      for (const auto& [name, parameter] : properties.items()) {
        inspect(file + ": " + name, name, parameter);
      }
    }
    for (const auto& [name, places] : users_) {
      if (places.size() < 2 || !shared_name(name).empty()) continue;
      found_.push_back(places.back() + ": is in " + std::to_string(places.size()) +
                       " methods and not in the vocabulary");
    }
  }
  [[nodiscard]] const std::vector<std::string>& found() const { return found_; }

 private:
  void inspect(const std::string& place, const std::string& name, const Json& parameter) {
    users_[name].push_back(place);
    if (kRetired.contains(name)) found_.push_back(place + ": is a retired name");
    const std::string shared = shared_name(name), ref = parameter.value("$ref", "");
    if (!shared.empty() && ref != kPrefix + shared) {
      found_.push_back(place + ": does not refer to the vocabulary");
    }
    if (shared.empty() && ref.starts_with(kPrefix)) {
      found_.push_back(place + ": has another name than the parameter that it refers to");
    }
    if (!ref.starts_with(kPrefix)) return;
    for (const auto& [key, value] : parameter.items()) {
      if (vocabulary()[ref.substr(kPrefix.size())].value(key, Json("?")) == value) {
        found_.push_back(place + ": repeats " + key + " of the vocabulary");
      }
    }
  }

  std::map<std::string, std::vector<std::string>> users_;
  std::vector<std::string> found_;
};

TEST(TreeVocabulary, EveryManifestKeepsToIt) {
  const auto methods = methods_of_the_tree();
  EXPECT_GT(methods.size(), 35U);
  EXPECT_EQ(Drifts(methods).found(), std::vector<std::string>{});
}

TEST(TreeVocabulary, ADriftIsFound) {
  auto methods = methods_of_the_tree();
  methods.emplace_back("planted", Json::parse(R"({"parameters": {"properties": {
      "bits": {"type": "integer", "minimum": 2, "default": 8},
      "max_grad": {"type": "integer"},
      "granularity": {"$ref": "qloom:parameters#/granularity", "default": "tensor"},
      "initial_scale": {"$ref": "qloom:parameters#/minimum"},
      "scale_lr_mult": {"type": "number"},
      "width": {"$ref": "qloom:parameters#/bits"}}}})"));
  EXPECT_EQ(Drifts(methods).found(),
            (std::vector<std::string>{
                "planted: bits: does not refer to the vocabulary",
                "planted: granularity: repeats default of the vocabulary",
                "planted: initial_scale: does not refer to the vocabulary",
                "planted: scale_lr_mult: is a retired name",
                "planted: width: has another name than the parameter that it refers to",
                "planted: max_grad: is in 2 methods and not in the vocabulary",
                "planted: width: is in 2 methods and not in the vocabulary"}));
}

TEST(TreeVocabulary, ThePageNamesEveryParameterAndEveryOldName) {
  const std::string page = data::read_text(fs::path(QLOOM_SOURCE_DIR) / "docs" / "vocabulary.md");
  const auto expect_named = [&page](const std::string& name) {
    EXPECT_NE(page.find('`' + name + '`'), std::string::npos) << name;
  };
  for (const auto& [name, shared] : vocabulary().items()) {
    if (shared.is_object()) expect_named(name);
  }
  for (const auto& [file, method] : methods_of_the_tree()) {
    const Json aliases = method.value("aliases", Json::object());
    for (const auto& [old_name, alias] : aliases.items()) {
      expect_named(old_name);
      expect_named(alias.is_string() ? alias.get<std::string>() : alias["name"].get<std::string>());
    }
  }
}

}  // namespace
}  // namespace qloom::registry
