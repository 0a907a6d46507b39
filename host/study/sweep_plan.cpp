// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/study/sweep_plan.hpp"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "host/data/json_file.hpp"
#include "host/json/explain.hpp"
#include "host/json/pointer.hpp"
#include "host/json/text.hpp"
#include "host/json/validate.hpp"
#include "host/study/known_rows.hpp"
#include "host/tensor/error.hpp"

namespace qloom::study {
namespace {

using json::Json;

/// The message with the pointers that are keys of the sweep as the user wrote them, not as parts
/// of a longer pointer: /grid: "/data/batch_size" in place of /grid/~1data~1batch_size.
std::string with_plain_keys(std::string message, const Json& written) {
  const auto replace = [&message](const std::string& place, const Json& object) {
    if (!object.is_object()) return;
    for (const auto& [key, value] : object.items()) {
      const std::string part = place + json::pointer_part(key);
      const std::size_t at = message.find(part);
      if (at != std::string::npos) message.replace(at, part.size(), place + ": \"" + key + '"');
    }
  };
  if (!written.is_object()) return message;
  replace("/grid", written.value("grid", Json()));
  const Json list = written.value("list", Json());
  for (std::size_t i = 0; list.is_array() && i < list.size(); ++i) {
    replace(fmt::format("/list/{}", i), list[i]);
  }
  return message;
}

Json checked_sweep(const Json& written, const std::string& where) {
  try {
    return json::validate(registry::read_schema("sweep"), written, where);
  } catch (const InputError& error) {
    throw InputError(with_plain_keys(error.what(), written));
  }
}

Json read_sweep(const std::filesystem::path& file) {
  const std::string where = file.string() + ": ";
  const Json written = data::read_json(file);
  json::require_known_format(written, 1, where);
  Json sweep = checked_sweep(written, where);
  if (sweep.contains("grid") == sweep.contains("list")) {
    throw InputError(fmt::format("{}{} \"grid\" and \"list\"; expected one of them", where,
                                 sweep.contains("grid") ? "both" : "neither"));
  }
  return sweep;
}

constexpr std::size_t kMostCombinations = 10'000;  // of a grid; each is kept in memory

/// Every combination of the grid; the last pointer varies fastest.
std::vector<Json> combinations(const Json& grid, const std::string& file) {
  std::size_t count = 1;
  for (const Json& values : grid) {
    count *= values.size();
    if (count <= kMostCombinations) continue;
    throw InputError(fmt::format("{}: /grid: more than {} combinations; expected at most that many",
                                 file, kMostCombinations));
  }
  std::vector<Json> all{Json::object()};
  for (const auto& [pointer, values] : grid.items()) {
    std::vector<Json> longer;
    for (const Json& start : all) {
      for (const Json& value : values) {
        longer.push_back(start);
        longer.back()[pointer] = value;
      }
    }
    all = std::move(longer);
  }
  return all;
}

/// Last word of a pointer that tells something: of /rules/0/rounding/plugin that is "rounding".
std::string short_name(const std::string& pointer) {
  std::string rest = pointer;
  if (rest.ends_with("/plugin")) rest.resize(rest.size() - std::string("/plugin").size());
  const std::string word = rest.substr(rest.rfind('/') + 1);
  const bool is_index = !word.empty() && word.find_first_not_of("0123456789-") == std::string::npos;
  return word.empty() || is_index ? pointer : word;
}

std::vector<std::string> column_names(const std::vector<std::string>& pointers) {
  std::map<std::string, int> uses;
  for (const auto& pointer : pointers) ++uses[short_name(pointer)];
  std::vector<std::string> names;
  for (const auto& pointer : pointers) {
    const std::string name = short_name(pointer);
    names.push_back(uses[name] == 1 ? name : pointer);
  }
  return names;
}

std::string value_text(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_object() && value.contains("plugin") && value["plugin"].is_string()) {
    Json rest = value;  // a method: its id, and its parameters when it has some
    rest.erase("plugin");
    return value["plugin"].get<std::string>() + (rest.empty() ? "" : " " + rest.dump());
  }
  return value.dump();
}

/// 16 hexadecimal digits: FNV-1a of the text (Fowler, Noll, Vo: offset and prime). A name only:
/// whether the folder's result can be used again is what the result says (standing.hpp).
std::string folder_name(const std::string& text) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return fmt::format("{:016x}", hash);
}

std::string label_of(const Json& settings, const SweepPlan& plan,
                     const std::set<std::string>& constants) {
  std::string label;
  for (std::size_t i = 0; i < plan.pointers.size(); ++i) {
    if (!settings.contains(plan.pointers[i]) || constants.contains(plan.pointers[i])) continue;
    label += fmt::format("{}{}={}", label.empty() ? "" : ", ", plan.columns[i],
                         value_text(settings[plan.pointers[i]]));
  }
  return label.empty() ? "as it is" : label;
}

class Planner {
 public:
  Planner(const std::filesystem::path& file, const registry::Registry& registry)
      : file_(file), registry_(registry), sweep_(read_sweep(file)) {}

  SweepPlan plan() {
    plan_.name = sweep_.value("name", file_.stem().string());
    const std::filesystem::path written = sweep_["base"].get<std::string>();
    plan_.base = written.is_absolute() ? written : file_.parent_path() / written;
    std::error_code error;  // of a name that the system refuses
    if (!std::filesystem::is_regular_file(plan_.base, error)) {
      throw InputError(fmt::format("{}: /base: {} is not a file; expected one at \"{}\"",
                                   file_.string(), sweep_["base"].dump(), plan_.base.string()));
    }
    base_ = pipeline::load(plan_.base, {}, registry_);
    const std::vector<Json> settings = sweep_.contains("grid")
                                           ? combinations(sweep_["grid"], file_.string())
                                           : sweep_["list"].get<std::vector<Json>>();
    collect_pointers(settings);
    for (const Json& one : settings) add_variant(one);
    refuse_unknown_pointers();
    return std::move(plan_);
  }

 private:
  void collect_pointers(const std::vector<Json>& settings) {
    std::set<std::string> pointers;
    for (const Json& one : settings) {
      for (const auto& [pointer, value] : one.items()) pointers.insert(pointer);
    }
    if (pointers.contains("/seed")) {
      throw InputError(file_.string() + ": \"/seed\" cannot vary like this; expected \"seeds\"");
    }
    plan_.pointers.assign(pointers.begin(), pointers.end());
    plan_.columns = column_names(plan_.pointers);
    for (const std::string& pointer : plan_.pointers) {
      const auto same = [&](const Json& one) {
        return one.contains(pointer) && one.at(pointer) == settings.front().value(pointer, Json());
      };
      if (settings.size() > 1 && std::all_of(settings.begin(), settings.end(), same)) {
        constants_.insert(pointer);
      }
    }
  }

  void add_variant(const Json& settings) {
    Variant variant{settings, label_of(settings, plan_, constants_), {}, {}, ""};
    for (const auto& [pointer, value] : settings.items()) {
      variant.overrides.push_back(pointer + "=" + value.dump());
    }
    pipeline::Pipeline& p = variant.pipeline;
    try {
      p = pipeline::load(plan_.base, variant.overrides, registry_);
    } catch (const InputError& error) {
      variant.refusal = error.what();
      if (first_refusal_.empty()) first_refusal_ = error.what();
    }
    const std::size_t index = plan_.variants.size();
    const Json seeds = sweep_.value("seeds", Json::array({base_.seed}));
    for (const Json& seed : seeds) {
      SweepRun run;
      run.variant = index;
      run.seed = seed.get<std::uint64_t>();
      if (variant.refusal.empty()) {
        run.configuration = pipeline::configuration(pipeline::with_seed(p, run.seed), registry_);
        run.start_from = p.start_from;
      }
      add_run(std::move(run), variant);
    }
    plan_.variants.push_back(std::move(variant));
  }

  void add_run(SweepRun run, const Variant& variant) {
    const bool is_refused = run.configuration.is_null();
    const Json& what = is_refused ? variant.settings : run.configuration;
    run.hash = folder_name(fmt::format("{}\n{}\n{}", what.dump(), run.seed, registry::version()));
    known_.add(file_.string() + ": ", '"' + variant.label + '"',
               is_refused ? Json{{"pipeline", variant.settings}} : run.configuration,
               std::to_string(run.seed));
    plan_.runs.push_back(std::move(run));
  }

  /// A pointer is known when it leads somewhere in the pipeline as used (defaults filled in), or
  /// when a variant that sets it is valid.
  void refuse_unknown_pointers() const {
    const auto& variants = plan_.variants;
    for (const std::string& pointer : plan_.pointers) {
      if (is_in_base(pointer)) continue;
      const auto with_it = [&](const Variant& v) { return v.settings.contains(pointer); };
      const bool works = std::any_of(variants.begin(), variants.end(), [&](const Variant& v) {
        return with_it(v) && v.refusal.empty();
      });
      if (works) continue;
      const auto first = std::find_if(variants.begin(), variants.end(), with_it);
      throw InputError(fmt::format("{}: \"{}\" leads nowhere in the pipeline: {}", file_.string(),
                                   pointer, first->refusal));
    }
    if (std::none_of(variants.begin(), variants.end(),
                     [](const Variant& v) { return v.refusal.empty(); })) {
      throw InputError(fmt::format("{}: not one combination is a valid pipeline; the first: {}",
                                   file_.string(), first_refusal_));
    }
  }
  [[nodiscard]] bool is_in_base(const std::string& pointer) const {
    try {
      return base_.as_used.contains(Json::json_pointer(pointer));
    } catch (const Json::exception&) {  // not a pointer at all
      return false;
    }
  }

  std::filesystem::path file_;
  const registry::Registry& registry_;
  Json sweep_;
  pipeline::Pipeline base_;
  SweepPlan plan_;
  KnownRows known_;
  std::set<std::string> constants_;  ///< pointers with one value for all: no part of a label
  std::string first_refusal_;
};

}  // namespace

SweepPlan plan_sweep(const std::filesystem::path& file, const registry::Registry& registry) {
  return Planner(file, registry).plan();
}

}  // namespace qloom::study
