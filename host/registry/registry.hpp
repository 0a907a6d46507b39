// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Finds, loads, checks and instantiates methods. Manifests are read without running code; a library
// is loaded when a method of it is first created.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <qloom/abi.h>

#include "host/data/arrays/array_reader.hpp"
#include "host/json/json.hpp"
#include "host/tensor/error.hpp"

namespace qloom::registry {

using json::Json;

/// One method as its manifest describes it.
struct Method {
  /// "quantizer", "rounding", "range", "norm", "accumulator", "requantizer", "procedure" or
  /// "recipe"
  std::string kind;
  std::string id, version, summary;
  Json manifest;    ///< the method's entry in plugin.json, references to the vocabulary resolved
  Json as_written;  ///< the entry as it stands there
  /// Parameters that are methods themselves, "x-qloom-kind" of the manifest: their kinds by name.
  std::map<std::string, std::string> inner;
  std::filesystem::path manifest_file;
  std::string manifest_pointer;        ///< of the entry in it: "" or "/methods/2"
  std::filesystem::path library_file;  ///< none for a recipe
};

/// A created method. Movable, not copyable; the library stays loaded until the process ends.
class Instance {
 public:
  Instance() = default;
  Instance(const Method* method, const qloom_instance& raw) : method_(method), raw_(raw) {}
  ~Instance();
  Instance(Instance&& other) noexcept;
  Instance& operator=(Instance&& other) noexcept;

  [[nodiscard]] explicit operator bool() const { return raw_.self != nullptr; }
  [[nodiscard]] const Method& method() const { return *method_; }
  [[nodiscard]] void* self() const { return raw_.self; }
  /// The raw record, whose owner is now the caller.
  [[nodiscard]] qloom_instance release() { return std::exchange(raw_, qloom_instance{}); }
  /// The table of the method's kind, for instance ops<qloom_quantizer>().
  template <class Table>
  [[nodiscard]] const Table& ops() const {
    return *static_cast<const Table*>(raw_.ops);
  }
  /// Named state arrays; empty for a stateless method. RunError when the method refuses.
  [[nodiscard]] data::Arrays save() const;
  /// RunError when the method refuses; it is unchanged then.
  void load(const data::Arrays& state, std::uint32_t version);
  /// The same from the arrays of a file below `prefix`, but for the host's own, whose names begin
  /// with "@". InputError that names file and array for
  /// one of another type than the method's, and when the method refuses them.
  void load(data::ArrayReader& reader, const std::string& prefix, std::uint32_t version);
  [[nodiscard]] bool has_state() const { return raw_.base->save != nullptr; }
  [[nodiscard]] std::uint32_t state_version() const { return raw_.base->state_version; }

 private:
  const Method* method_ = nullptr;
  qloom_instance raw_{};
};

/// A method's function gave a status other than QLOOM_OK.
class Refusal : public RunError {
 public:
  Refusal(const std::string& what, qloom_status status) : RunError(what), status_(status) {}
  [[nodiscard]] qloom_status status() const { return status_; }

 private:
  qloom_status status_;
};

/// Throws Refusal "<kind> "<id>": <what>: <message>" unless status is QLOOM_OK; RunError when a
/// call changed the floating-point state.
void check(const Method& method, const char* what, qloom_status status, const qloom_error& error);
[[nodiscard]] qloom_error empty_error();

class Registry {
 public:
  /// Reads the manifests below the folders (each <folder>/*/plugin.json). Duplicate (kind, id)
  /// pairs are an InputError that names both files; so is a manifest that does not follow
  /// schemas/plugin.schema.json.
  explicit Registry(const std::vector<std::filesystem::path>& folders);
  /// The methods of this plugin.json alone. Methods inside these are found beside the plugin's
  /// folder and in the default folders.
  [[nodiscard]] static Registry of_manifest(const std::filesystem::path& file);
  ~Registry();

  /// Folders from QLOOM_PLUGIN_PATH (colon separated), then the one beside the running program
  /// (build tree: <program folder>/plugins, install tree: ../lib/qloom/plugins).
  [[nodiscard]] static std::vector<std::filesystem::path> default_folders();

  /// Sorted by kind, then id.
  [[nodiscard]] const std::vector<Method>& methods() const { return methods_; }
  [[nodiscard]] const Method* find(const std::string& kind, const std::string& id) const;

  /// The parameters checked against the manifest's schema, by their present names (aliases.hpp
  /// tells of old ones), defaults filled in. `where` is the file
  /// and JSON pointer of the method's object, for messages, for instance
  /// "a.json: /rules/2/quantizer". InputError "<where>/bits: 17 is above the maximum 16", unknown
  /// names with the nearest valid one. The key "plugin" is left out of `params` by the caller.
  /// Methods inside it (inner.hpp) are resolved alike and keep their key "plugin".
  /// `depth`: how many methods the method lies in.
  [[nodiscard]] Json resolve_parameters(const Method& method, const Json& params,
                                        const std::string& where, int depth = 0) const;
  /// find() or an InputError with the nearest valid id of that kind, or "no plugins were found".
  [[nodiscard]] const Method& require(const std::string& kind, const std::string& id,
                                      const std::string& where) const;
  /// Loads the library if need be, checks it (abi.md), creates an instance from resolved
  /// parameters. InputError names file, reason and both versions.
  [[nodiscard]] Instance create(const Method& method, const Json& resolved,
                                const qloom_site* site = nullptr) const;

  /// New code of a library whose file was written anew: from now on create() uses it. What was
  /// created before keeps the old code, which stays loaded. Without keep() the registry goes back
  /// to the old code when this object goes.
  class Reload {
   public:
    /// InputError as create() when the file is not a sound library for its manifest; then nothing
    /// has changed.
    Reload(const Registry& registry, const std::filesystem::path& library);
    ~Reload();
    Reload(const Reload&) = delete;
    Reload& operator=(const Reload&) = delete;
    void keep() { before_.clear(); }
    /// The methods of the library.
    [[nodiscard]] const std::set<const Method*>& methods() const { return methods_; }

   private:
    const Registry* registry_;
    std::set<const Method*> methods_;
    std::map<const Method*, const qloom_descriptor*> before_;  ///< what to go back to
  };

 private:
  struct Libraries;
  struct ReadThese {};
  /// Methods in the manifest of this one.
  [[nodiscard]] std::size_t siblings(const Method& method) const;
  Registry(ReadThese, const std::vector<std::filesystem::path>& manifests);
  /// The same, with `next` as the others.
  Registry(ReadThese, const std::vector<std::filesystem::path>& manifests,
           std::unique_ptr<Registry> next);
  std::vector<Method> methods_;
  std::unique_ptr<Registry> others_;  ///< where else a method is found that lies in another one
  std::unique_ptr<Libraries> libraries_;
};

/// Version of qloom, for instance "0.1.0".
[[nodiscard]] const char* version();

/// The host's service table that plugins get; kernels, parameters, state, parallel, run.
[[nodiscard]] const qloom_host& host_services();
/// What procedures reach a run through: "qloom.run/1", "qloom.tensors/1".
struct RunServices {
  const qloom_run_api* run = nullptr;
  const qloom_tensors_api* tensors = nullptr;
};
/// The experiment floor puts its tables here before procedures are created.
void set_run_services(RunServices tables);

/// What plugins log goes there instead of to standard error; null: back.
using LogSink = void (*)(std::int32_t level, const char* utf8) noexcept;
void set_log(LogSink sink);

/// The folder with the project's JSON Schemas: QLOOM_SCHEMA_PATH; else
/// <program folder>/../share/qloom/schemas; else the source tree's.
[[nodiscard]] std::filesystem::path schema_folder();
/// The schema <folder>/<name>.schema.json; each file is read once.
[[nodiscard]] const Json& read_schema(const std::string& name);

/// The folder that `qloom plugins new` copies from: <program folder>/../share/qloom/template; else
/// the source tree's sdk/template.
[[nodiscard]] std::filesystem::path template_folder();

}  // namespace qloom::registry
